// npm run jars: brings ZooKeeper's jars into this user's cache.
import { environment, install, node, run } from './workshop.mjs';

install();
process.exitCode = await run(node(), ['scripts/jars.ts'], environment());
