// npm run build: JavaScript with declarations for publishing, in the order in which packages import each other.
import { rmSync } from 'node:fs';
import { environment, install, ROOT, run } from './workshop.mjs';

install();
const env = environment();
for (const name of ['zookeeper', 'model', 'store', 'agent', 'cli']) {
  rmSync(`${ROOT}packages/${name}/dist`, { recursive: true, force: true });
  const code = await run('tsc', ['-p', `packages/${name}/tsconfig.json`], env);
  if (code !== 0) process.exit(code);
}
