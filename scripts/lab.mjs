// npm run lab: stories of clusters on namespaces of this machine, told and checked; needs root. `npm run lab -- --list` names them.
import { environment, install, node, ROOT, run } from './workshop.mjs';

install();
const jars = await run(node(), [`${ROOT}scripts/jars.ts`], environment());
await run(node(), [`${ROOT}scripts/moto.ts`], environment());
await run(process.execPath, [`${ROOT}scripts/versitygw.mjs`], environment());
process.exitCode = jars || (await run(node(), [`${ROOT}testbed/lab/main.ts`, ...process.argv.slice(2)], environment()));
