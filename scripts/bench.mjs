// npm run bench: the side-by-side measurements. `npm run bench -- client` runs one of them; bench/main.ts has their names.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { environment, fail, install, node, ROOT, run } from './workshop.mjs';

install();
if (!existsSync(`${ROOT}bench/node_modules/.package-lock.json`)) {
  console.log('Installing the peers that are measured beside us (once) …');
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--workspaces=false'];
  if (spawnSync('npm', args, { cwd: `${ROOT}bench`, stdio: 'inherit' }).status !== 0)
    fail('the peers could not be installed');
}
if ((await run(process.execPath, [`${ROOT}scripts/build.mjs`])) !== 0) fail('the packages could not be built');
// npm builds the native binding for the Node that it runs on itself, which need not be the one that runs this script
const env = environment({ QUORATE_BENCH_NATIVE_NODE: process.env.npm_node_execpath ?? process.execPath });
process.exitCode = await run(node(), [`${ROOT}bench/main.ts`, ...process.argv.slice(2)], env);
