// Many machines in one process: the control logic of real agents, with a session each, on disks that take no time. Each also shows itself
// to the ensemble, as a machine that runs no member of it. argv: a `Fleet` as JSON. Says "applied RELEASE MS FIRST" when the last one has applied
// a release, with the time on the machine's monotonic clock, and when the first one had. Ends with its input.
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, arbiterOf, begin, discoveryOf, EnsembleManager, type Settings } from '@quorate/agent';
import { DEFAULT_CLUSTER, DEFAULT_PORTS, type Release } from '@quorate/model';
import { openStore, type Store } from '@quorate/store';
import { monotonic } from '../usage.ts';
import { memoryDisk } from './memory-bundle.ts';

export interface Fleet {
  readonly store: string;
  readonly cluster: string;
  /** number of the first machine */
  readonly first: number;
  readonly count: number;
  /** an empty one */
  readonly folder: string;
}

/** Machines that start together. */
const WIDTH = 16;

const fleet = JSON.parse(process.argv[2]!) as Fleet;
const stop = new AbortController();
process.stdin.resume().once('end', () => stop.abort());
/** release → how many have applied it, and when the first one had */
const applied = new Map<number, { count: number; first: number }>();
const trust = await begin(
  { instance: 'bench', address: '127.0.0.1', state: fleet.folder },
  fleet,
  join(fleet.folder, 'trust'),
);
let next = fleet.first;
await Promise.all(Array.from({ length: Math.min(WIDTH, fleet.count) }, () => runNext()));

/** Runs a machine, and when it has applied something, the next one: a fleet does not start at one moment on two cores. */
async function runNext(): Promise<void> {
  const number = next++;
  if (number >= fleet.first + fleet.count) return;
  const up = Promise.withResolvers<void>();
  await Promise.all([run(number, up.resolve), up.promise.then(runNext)]);
}

async function run(number: number, up: () => void): Promise<void> {
  const { store, cluster, folder } = fleet;
  const state = join(folder, `machine-${number}`);
  mkdirSync(join(state, 'member'), { recursive: true });
  const ensemble = { cluster, discovery: { addresses: [] }, ports: DEFAULT_PORTS, founding: DEFAULT_CLUSTER };
  const settings: Settings & { address: string } = {
    store,
    root: '/',
    state,
    instance: `machine-${number}`,
    address: `10.0.${number >> 8}.${number & 0xff}`,
    zone: `zone-${number % 3}`,
  };
  const connected = Promise.withResolvers<Store>();
  const open = async (signal: AbortSignal): Promise<Store> => {
    const opened = await openStore(store, { signal, servers: async () => [] });
    connected.resolve(opened);
    return opened;
  };
  const manager = new EnsembleManager({
    settings: { ...settings, ensemble },
    identity: { cluster, generation: 1, incarnation: randomUUID() },
    connected: connected.promise,
    arbiter: arbiterOf({}, state),
    discovery: discoveryOf({ ...settings, ensemble }),
    trust,
    lines: [],
    report: () => undefined,
    log: () => undefined,
  });
  const disk = memoryDisk((release) => {
    hasApplied(release);
    up();
  });
  const agent = new Agent(settings, { disk, open, log: warn });
  await Promise.all([manager.run(stop.signal), agent.run(stop.signal)]);
}

function hasApplied({ number }: Release): void {
  const seen = applied.get(number) ?? { count: 0, first: monotonic() };
  applied.set(number, seen);
  if (++seen.count === fleet.count) console.log(`applied ${number} ${monotonic()} ${seen.first}`);
}

function warn(line: string): void {
  if (line.startsWith('warn')) console.error(line);
}
