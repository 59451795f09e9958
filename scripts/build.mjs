// npm run build: JavaScript with declarations for publishing, in the order in which packages import each other. With names: only those, in their order.
import { copyFileSync, rmSync } from 'node:fs';
import { environment, install, installApart, ROOT, run } from './workshop.mjs';

install();
const env = environment();
const names = process.argv.slice(2);
if (names.includes('cdk')) installApart('packages/cdk', 'the AWS CDK');
for (const name of names.length > 0 ? names : ['zookeeper', 'model', 'store', 'agent', 'cli']) {
  rmSync(`${ROOT}packages/${name}/dist`, { recursive: true, force: true });
  const code = await run('tsc', ['-p', `packages/${name}/tsconfig.json`], env);
  if (code !== 0) process.exit(code);
  // npm packs it from each package's own folder
  copyFileSync(`${ROOT}LICENSE`, `${ROOT}packages/${name}/LICENSE`);
}
