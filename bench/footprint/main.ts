// What an agent costs that has nothing to do, and how soon after its start a release is in place: `npm run bench -- footprint`
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openStore } from '@quorate/store';
import { BenchEnsemble } from '../ensemble.ts';
import { onExit } from '../exit.ts';
import { BUNDLE, FILE_BYTES, FILES, publishSet } from '../set.ts';
import { median, quantile, table } from '../statistics.ts';
import { MeasuredAgent } from './agent.ts';

/** After its start an agent is given this time to come to rest. */
const SETTLE_SECONDS = 10;
const IDLE_SECONDS = 120;
const STARTS = 21;

/** @returns the tables as Markdown */
export async function benchFootprint(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-footprint-'));
  const clear = (): void => rmSync(folder, { recursive: true, force: true });
  const guard = onExit(clear);
  try {
    const directory = `dir:${join(folder, 'store')}`;
    await publish(directory);
    const starts = await measureStarts(directory, folder);
    return `${await measureIdle(directory, folder)}\n\n${starts}`;
  } finally {
    guard[Symbol.dispose]();
    clear();
  }
}

/** Both at the same time: neither has anything to do. */
async function measureIdle(directory: string, folder: string): Promise<string> {
  await using ensemble = await BenchEnsemble.start(3);
  const zookeeper = `zk://${ensemble.servers}/quorate`;
  await publish(zookeeper);
  await using first = new MeasuredAgent(directory, join(folder, 'directory'), BUNDLE);
  await using second = new MeasuredAgent(zookeeper, join(folder, 'zookeeper'), BUNDLE);
  const agents = [first, second];
  await Promise.all(agents.map((agent) => agent.applied()));
  await delay(SETTLE_SECONDS * 1000);
  const usages = await Promise.all(agents.map((agent) => agent.idle(IDLE_SECONDS)));
  const rows = usages.map(({ megabytes, cpu }, at) => [
    ['directory store', 'ZooKeeper store'][at]!,
    megabytes.toFixed(0),
    (100 * cpu).toFixed(2),
  ]);
  return table([`idle agent, ${FILES} files, ${IDLE_SECONDS} s`, 'resident MB', '% of a core'], rows);
}

/** From the start of the process, as whoever starts it sees it, on a machine that has nothing yet. */
async function measureStarts(store: string, folder: string): Promise<string> {
  const times: number[] = [];
  for (let start = 0; start <= STARTS; start++) {
    const root = join(folder, `start-${start}`);
    const from = performance.now();
    await using agent = new MeasuredAgent(store, root, BUNDLE);
    await agent.applied();
    if (start > 0) times.push(performance.now() - from); // the first warms the caches
  }
  const figure = (share: number): string => quantile(times, share).toFixed(0);
  const row = [
    `process start to ${FILES} files applied, directory store`,
    median(times).toFixed(0),
    figure(0),
    figure(0.95),
  ];
  return table([`${STARTS} starts`, 'median ms', 'best ms', 'p95 ms'], [row]);
}

async function publish(url: string): Promise<void> {
  await using store = await openStore(url);
  const contents = Array.from({ length: FILES }, (_, at) => Buffer.from(`# file ${at}\n`.padEnd(FILE_BYTES, 'x')));
  await publishSet(store, contents, 'footprint');
}
