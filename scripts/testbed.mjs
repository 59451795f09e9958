// npm run testbed: a fleet of namespaces on this machine to play with; needs root.
import { environment, install, node, ROOT, run } from './workshop.mjs';

install();
const jars = await run(node(), [`${ROOT}scripts/jars.ts`], environment());
process.exitCode = jars || (await run(node(), [`${ROOT}testbed/src/main.ts`, ...process.argv.slice(2)], environment()));
