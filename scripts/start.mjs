// npm start: a real fleet of three on this machine.
import { environment, install, node, ROOT, run } from './workshop.mjs';

install();
process.exitCode = await run(
  node(),
  [`${ROOT}packages/cli/bin/quorate.js`, 'demo', ...process.argv.slice(2)],
  environment(),
);
