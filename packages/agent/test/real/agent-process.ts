// An agent as a process of its own that can be killed. argv: store URL, root, state folder.
import { Agent } from '../../src/index.ts';

const [store, root, state] = process.argv.slice(2) as [string, string, string];
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
await new Agent({ store, root, state, instance: 'process' }, { log: (line) => console.log(line) }).run(stop.signal);
