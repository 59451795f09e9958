// npm run packages: a .deb for each architecture and the .rpm, in dist/. `-- --help` lists what can be chosen.
import { environment, install, node, run } from './workshop.mjs';

install();
const jars = await run(node(), ['scripts/jars.ts'], environment());
process.exitCode = jars || (await run(node(), ['packaging/main.ts', ...process.argv.slice(2)], environment()));
