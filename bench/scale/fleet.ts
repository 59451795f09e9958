// Fleets of growing size: from a publish to the last agent that has applied it, and what they cost the ensemble and its controller.
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openStore, type Store, type VoteTerms } from '@quorate/store';
import { Child } from '../child.ts';
import { BenchEnsemble } from '../ensemble.ts';
import { FILE_BYTES, FILES, publishSet } from '../set.ts';
import { median, table } from '../statistics.ts';
import { cpuSeconds, monotonic } from '../usage.ts';
import type { Looks, Members } from './controller.ts';
import type { Fleet } from './machines.ts';

const MACHINES = fileURLToPath(new URL('./machines.ts', import.meta.url));
const CONTROLLER = fileURLToPath(new URL('./controller.ts', import.meta.url));
/** Processes that share the agents. */
const PROCESSES = 4;
const RELEASES = 12;
const WARM_UP = 3;
/** Seconds that are measured at rest, and until a fleet that has come up has come to rest. */
const IDLE_SECONDS = 60;
const SETTLE_SECONDS = 10;
/** ms from one release to the next: agents tell the fleet of each in about 0.1 s. */
const QUIET_MS = 3000;
/** ms until a fleet must be up. */
const UP_WITHIN_MS = 180_000;

/** What one fleet was seen to do. */
interface Measured {
  readonly agents: number;
  /** s from the start of the processes until every machine has applied the head, and shows itself and its status */
  readonly up: number;
  readonly releases: Releases;
  /** of which each was offered first, and voted on by all */
  readonly voted: Releases;
  readonly perIdleSecond: Load;
  readonly looks: Looks;
}

interface Releases {
  /** ms from the start of a publish until the last agent has applied it */
  readonly times: readonly number[];
  /** ms between the first and the last agent */
  readonly skews: readonly number[];
  readonly perRelease: Load;
}

/** What was used. */
interface Load {
  /** packets that the members received */
  readonly requests: number;
  /** seconds of a core, likewise */
  readonly members: number;
  readonly agents: number;
  readonly controller: number;
}

/** @returns the table as Markdown */
export async function measureFleets(sizes: readonly number[]): Promise<string> {
  const measured: Measured[] = [];
  for (const agents of sizes) {
    measured.push(await measureFleet(agents));
    console.error(`measured: ${row(measured.at(-1)!).join(', ')}`); // the whole takes long: what is there is shown
  }
  const head = [
    'agents',
    'all up s',
    'applied median ms',
    'worst ms',
    'requests/release',
    'members ms/release',
    'agents ms/release',
    'idle requests/s',
    'idle members %',
    'idle agents %',
    'idle controller %',
    'its look ms',
  ];
  return [
    table(head, measured.map(row)),
    table(VOTE_HEAD, measured.flatMap(voteRows)),
    `${RELEASES} releases of one file of ${FILES}, after ${WARM_UP} to warm up; at rest for ${IDLE_SECONDS} s. Milliseconds and percent of a release or at rest are of one core, of all members or all agents together.`,
    ...(measured.length > 1 ? [growth(measured[0]!, measured.at(-1)!)] : []),
  ].join('\n\n');
}

/** What one agent costs in the smallest fleet and in the largest: the same where the work grows with the fleet and no faster. */
function growth(few: Measured, many: Measured): string {
  const per = (figure: (of: Measured) => number, digits: number): string =>
    [few, many].map((of) => (figure(of) / of.agents).toFixed(digits)).join(' → ');
  return [
    `An agent's share, from ${few.agents} to ${many.agents.toLocaleString('en')} agents:`,
    `${per(({ releases }) => releases.perRelease.requests, 1)} requests (${per(({ voted }) => voted.perRelease.requests, 1)} with a vote),`,
    `${per(({ releases }) => releases.perRelease.members * 1000, 2)} ms of the members and`,
    `${per(({ releases }) => releases.perRelease.agents * 1000, 2)} ms of its own a release;`,
    `at rest ${per(({ perIdleSecond }) => perIdleSecond.requests, 2)} requests/s.`,
  ].join(' ');
}

const VOTE_HEAD = [
  'agents',
  'release',
  'applied median ms',
  'worst ms',
  'first to last median ms',
  'worst ms',
  'requests',
  'members ms',
];

function voteRows({ agents, releases, voted }: Measured): string[][] {
  return [['at once', releases] as const, ['with a vote', voted] as const].map(
    ([how, { times, skews, perRelease }]) => [
      agents.toLocaleString('en'),
      how,
      median(times).toFixed(0),
      Math.max(...times).toFixed(0),
      median(skews).toFixed(1),
      Math.max(...skews).toFixed(1),
      perRelease.requests.toFixed(0),
      ms(perRelease.members),
    ],
  );
}

const ms = (seconds: number): string => (seconds * 1000).toFixed(0);

function row({ agents, up, releases: { times, perRelease }, perIdleSecond, looks }: Measured): string[] {
  const percent = (seconds: number): string => (seconds * 100).toFixed(1);
  return [
    agents.toLocaleString('en'),
    up.toFixed(1),
    median(times).toFixed(0),
    Math.max(...times).toFixed(0),
    perRelease.requests.toFixed(0),
    ms(perRelease.members),
    ms(perRelease.agents),
    perIdleSecond.requests.toFixed(0),
    percent(perIdleSecond.members),
    percent(perIdleSecond.agents),
    percent(perIdleSecond.controller),
    median(looks).toFixed(1),
  ];
}

async function measureFleet(agents: number): Promise<Measured> {
  await using stack = new AsyncDisposableStack();
  const ensemble = stack.use(await BenchEnsemble.start(3));
  const url = `zk://${ensemble.servers}/quorate`;
  const cluster = randomUUID();
  const store = stack.use(await openStore(url));
  const publish = publisherOf(store);
  const members: Members = { store: url, cluster, servers: await ensemble.list() };
  const controller = stack.use(new Child(process.execPath, [CONTROLLER, JSON.stringify(members)]));
  await controller.line('ready');
  await publish();
  const from = performance.now();
  const machines = shares(agents).map(({ first, count }) => {
    const folder = join(ensemble.folder, `machines-${first}`);
    mkdirSync(folder);
    const fleet: Fleet = { store: url, cluster, first, count, folder };
    return stack.use(new Child(process.execPath, [MACHINES, JSON.stringify(fleet)]));
  });
  await Promise.all(machines.map((child) => child.line('applied 1 ')));
  await isUp(store, agents + members.servers.length, agents);
  const up = (performance.now() - from) / 1000;
  await delay(SETTLE_SECONDS * 1000);
  const meter = new Meter(ensemble, machines, controller);
  await looksOf(controller);
  const perIdleSecond = await meter.during(() => delay(IDLE_SECONDS * 1000), IDLE_SECONDS);
  const looks = await looksOf(controller);
  const measure = async (vote?: VoteTerms): Promise<Releases> => {
    const seen: Applied[] = [];
    const some = async (count: number): Promise<void> => {
      for (let release = 0; release < count; release++) {
        const [one] = await Promise.all([lastApplied(() => publish(vote), machines), delay(QUIET_MS)]);
        seen.push(one);
      }
    };
    await some(WARM_UP);
    seen.length = 0;
    const load = await meter.during(() => some(RELEASES), RELEASES);
    // what goes on at rest too is not the releases'
    const perRelease = minus(load, perIdleSecond, meter.seconds / RELEASES);
    return { times: seen.map(({ ms }) => ms), skews: seen.map(({ skew }) => skew), perRelease };
  };
  const releases = await measure();
  const voted = await measure({});
  const settled = await store.ensemble!.plan();
  if (!settled?.settled) throw new Error(`the ensemble is not settled at the end: ${settled?.reason}`);
  return { agents, up, releases, voted, perIdleSecond, looks };
}

/** Numbers of machines for each process. */
function shares(agents: number): { first: number; count: number }[] {
  const processes = Math.min(PROCESSES, agents);
  const bound = (at: number): number => Math.round((at * agents) / processes);
  return Array.from({ length: processes }, (_, at) => ({ first: bound(at), count: bound(at + 1) - bound(at) }));
}

function publisherOf(store: Store): (vote?: VoteTerms) => Promise<number> {
  let release = 0;
  const contents = Array.from({ length: FILES }, (_, at) => fileContent(at, 0));
  return async (vote) => {
    release++;
    contents[0] = fileContent(0, release);
    await publishSet(store, contents, `release ${release}`, vote ? { vote } : {});
    return release;
  };
}

function fileContent(file: number, release: number): Buffer {
  return Buffer.from(`# file ${file}, release ${release}, ${Math.random()}\n`.padEnd(FILE_BYTES, 'x'));
}

async function isUp(store: Store, machines: number, instances: number): Promise<void> {
  for (const until = performance.now() + UP_WITHIN_MS; ; await delay(1000)) {
    const [shown, statuses] = [await store.ensemble!.machines(), await store.instances()];
    if (shown.length === machines && statuses.length === instances) return;
    if (performance.now() > until)
      throw new Error(`${shown.length} of ${machines} machines and ${statuses.length} of ${instances} agents are up`);
  }
}

interface Applied {
  /** from the start of a publish until the last agent has applied it */
  readonly ms: number;
  /** ms from the first agent to the last */
  readonly skew: number;
}

async function lastApplied(publish: () => Promise<number>, machines: readonly Child[]): Promise<Applied> {
  const from = monotonic();
  const release = await publish();
  const lines = await Promise.all(machines.map((child) => child.line(`applied ${release} `)));
  const times = lines.map((line) => line.split(' ').slice(2).map(Number) as [number, number]);
  const last = Math.max(...times.map(([at]) => at));
  return { ms: last - from, skew: last - Math.min(...times.map(([, first]) => first)) };
}

async function looksOf(controller: Child): Promise<Looks> {
  controller.tell('looks');
  return JSON.parse(await controller.line('[')) as Looks;
}

/** What processes and servers use while something goes on. */
class Meter {
  readonly #ensemble: BenchEnsemble;
  readonly #machines: readonly Child[];
  readonly #controller: Child;
  /** how long the last measurement took */
  seconds = 0;

  constructor(ensemble: BenchEnsemble, machines: readonly Child[], controller: Child) {
    this.#ensemble = ensemble;
    this.#machines = machines;
    this.#controller = controller;
  }

  /** @returns what was used, by a number of parts */
  async during(work: () => Promise<void>, parts: number): Promise<Load> {
    const [from, before] = [performance.now(), await this.#now()];
    await work();
    this.seconds = (performance.now() - from) / 1000;
    return scaled(minus(await this.#now(), before), 1 / parts);
  }

  async #now(): Promise<Load> {
    const sum = (pids: readonly number[]): number => pids.reduce((all, pid) => all + cpuSeconds(pid), 0);
    return {
      requests: await this.#ensemble.received(),
      members: sum(this.#ensemble.pids),
      agents: sum(this.#machines.map(({ pid }) => pid)),
      controller: cpuSeconds(this.#controller.pid),
    };
  }
}

function minus(load: Load, other: Load, times = 1): Load {
  return {
    requests: load.requests - other.requests * times,
    members: load.members - other.members * times,
    agents: load.agents - other.agents * times,
    controller: load.controller - other.controller * times,
  };
}

function scaled({ requests, members, agents, controller }: Load, by: number): Load {
  return { requests: requests * by, members: members * by, agents: agents * by, controller: controller * by };
}
