// Prints the tables that docs/benchmarks.md holds. argv: the measurements to run, all of them where none is named.
import { cpus, totalmem } from 'node:os';
import { benchClient } from './client/main.ts';
import { benchFootprint } from './footprint/main.ts';
import { benchPropagation } from './propagation/main.ts';
import { benchScale } from './scale/main.ts';

const MEASUREMENTS: Record<string, { title: string; run: () => Promise<string> }> = {
  client: { title: 'ZooKeeper clients, one standalone server', run: () => benchClient() },
  propagation: {
    title: 'Start of a publish to the last agent that has it on disk, three members',
    run: () => benchPropagation(),
  },
  footprint: {
    title: 'What an agent costs that has nothing to do, and how soon it has applied',
    run: () => benchFootprint(),
  },
  scale: { title: 'How the work grows with the fleet, three members', run: () => benchScale() },
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in MEASUREMENTS));
if (unknown.length > 0) {
  console.error(`no measurement ${unknown.join(', ')}: choose from ${Object.keys(MEASUREMENTS).join(', ')}`);
  process.exit(2);
}
console.log(
  `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 1024 ** 3)} GiB, Node ${process.versions.node}\n`,
);
for (const name of asked.length > 0 ? asked : Object.keys(MEASUREMENTS)) {
  const { title, run } = MEASUREMENTS[name]!;
  console.log(`### ${title}\n\n${await run()}\n`);
}
