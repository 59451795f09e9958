// From the start of a publish until the last of N agents has it on disk, beside a floor measured in the same run:
// `npm run bench -- propagation`
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openStore, type Store } from '@quorate/store';
import { ZooKeeper } from '@quorate/zookeeper';
import { BenchEnsemble } from '../ensemble.ts';
import { onExit } from '../exit.ts';
import { FILE_BYTES, FILES, publishSet } from '../set.ts';
import { median, quantile, table } from '../statistics.ts';
import { Flips } from './flips.ts';

const FLOOR_AGENT = fileURLToPath(new URL('./floor-agent.ts', import.meta.url));
const COMMAND = fileURLToPath(new URL('../../packages/cli/bin/quorate.js', import.meta.url));
const PUBLISHES = 40;
const WARM_UP = 5;
/** Between two rounds, ms. */
const QUIET_MS = 700;

/** @returns the table as Markdown */
export async function benchPropagation(fleets: readonly number[] = [10, 50]): Promise<string> {
  const rows: string[][] = [];
  for (const agents of fleets) rows.push(...(await measureFleet(agents)));
  const head = ['agents, change', 'median ms', 'p95 ms', 'floor median ms', 'floor p95 ms', 'ours ÷ floor'];
  return table(head, rows);
}

async function measureFleet(agents: number): Promise<string[][]> {
  await using ensemble = await BenchEnsemble.start(3);
  const children: ChildProcess[] = [];
  using _guard = onExit(() => children.forEach((child) => void child.kill('SIGKILL')));
  try {
    const folders = Array.from({ length: agents }, (_, at) => join(ensemble.folder, `agent-${at}`));
    const floorFolders = Array.from({ length: agents }, (_, at) => join(ensemble.folder, `floor-${at}`));
    await using store = await openStore(`zk://${ensemble.servers}/quorate`);
    await using zk = await ZooKeeper.connect(ensemble.servers, { sessionTimeout: 30_000 });
    const publisher = new Publisher(store);
    await publisher.publish(FILES);
    await zk.create('/floor', pack(contents(FILES, 0)));
    for (const [at, folder] of folders.entries()) children.push(await startAgent(store.url, folder, `agent-${at}`));
    for (const folder of floorFolders) children.push(await startFloor(ensemble.servers, folder));
    const states = folders.map((folder) => join(folder, 'var/lib/quorate/bench'));
    for (const folder of [...states, ...floorFolders]) await appears(join(folder, 'current'));
    await delay(1000); // the last agents settle: nothing else should run while we measure
    using ours = new Flips(states);
    using floor = new Flips(floorFolders);
    const rows: string[][] = [];
    for (const files of [1, FILES]) rows.push(await measureChange(files, agents, { ours, floor, publisher, zk }));
    return rows;
  } finally {
    await Promise.all(children.map(end));
  }
}

interface Sides {
  readonly ours: Flips;
  readonly floor: Flips;
  readonly publisher: Publisher;
  readonly zk: ZooKeeper;
}

/** The two sides in turn, so that a drift of the machine's speed meets both alike. */
async function measureChange(files: number, agents: number, { ours, floor, publisher, zk }: Sides): Promise<string[]> {
  const times: number[] = [];
  const floorTimes: number[] = [];
  for (let round = 0; round < PUBLISHES + WARM_UP; round++) {
    const data = pack(contents(files, round));
    const floorMs = await floor.after(() => zk.set('/floor', data));
    const ms = await ours.after(() => publisher.publish(files));
    await delay(QUIET_MS); // agents clear away and prepare: releases come seldom
    if (round < WARM_UP) continue;
    times.push(ms);
    floorTimes.push(floorMs);
  }
  const figure = (sample: number[], share: number): string => quantile(sample, share).toFixed(1);
  const ratio = (median(times) / median(floorTimes)).toFixed(2);
  return [
    `${agents}, ${files === 1 ? 'one file' : `all ${files}`}`,
    figure(times, 0.5),
    figure(times, 0.95),
    figure(floorTimes, 0.5),
    figure(floorTimes, 0.95),
    ratio,
  ];
}

/** Publishes as the command does, in a process that is warm on both sides. */
class Publisher {
  readonly #store: Store;
  readonly #contents = contents(FILES, 0);
  #round = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Changes the first `files` of the set. */
  async publish(files: number): Promise<void> {
    this.#round++;
    contents(files, this.#round).forEach((bytes, at) => {
      this.#contents[at] = bytes;
    });
    await publishSet(this.#store, this.#contents, `round ${this.#round}`);
  }
}

function contents(files: number, round: number): Buffer[] {
  return Array.from({ length: files }, (_, at) =>
    Buffer.from(`# file ${at}, round ${round}, ${Math.random()}\n`.padEnd(FILE_BYTES, 'x')),
  );
}

function pack(files: readonly Buffer[]): Buffer {
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  return Buffer.concat([number(files.length), ...files.flatMap((file) => [number(file.byteLength), file])]);
}

async function startAgent(store: string, root: string, id: string): Promise<ChildProcess> {
  await mkdir(join(root, 'etc'), { recursive: true });
  return spawn(
    process.execPath,
    [COMMAND, '--store', store, '--root', root, '--instance', id, '--config', '/dev/null', 'agent'],
    { stdio: 'ignore' },
  );
}

async function startFloor(servers: string, folder: string): Promise<ChildProcess> {
  await mkdir(folder, { recursive: true });
  return spawn(process.execPath, [FLOOR_AGENT, servers, '/floor', folder], { stdio: 'ignore' });
}

async function appears(path: string): Promise<void> {
  for (const until = performance.now() + 120_000; !existsSync(path); await delay(20)) {
    if (performance.now() > until) throw new Error(`${path} did not appear within 120 s`);
  }
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}
