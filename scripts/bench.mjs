// npm run bench: the side-by-side measurements. `npm run bench -- client` runs one of them; bench/main.ts has their names.
import { environment, fail, install, installApart, node, ROOT, run } from './workshop.mjs';

install();
installApart('bench', 'the peers that are measured beside us');
if ((await run(process.execPath, [`${ROOT}scripts/build.mjs`])) !== 0) fail('the packages could not be built');
// npm builds the native binding for the Node that it runs on itself, which need not be the one that runs this script
const env = environment({ QUORATE_BENCH_NATIVE_NODE: process.env.npm_node_execpath ?? process.execPath });
process.exitCode = await run(node(), [`${ROOT}bench/main.ts`, ...process.argv.slice(2)], env);
