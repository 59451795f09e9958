// The command as a fleet has it: compiled, not the sources of this checkout.
import { main } from '../../packages/cli/dist/main.js';

await main(process.argv.slice(2));
