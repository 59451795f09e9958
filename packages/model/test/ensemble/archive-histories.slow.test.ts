import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  type ArchiveRecord,
  type ArchiveSettings,
  adjusted,
  type ClusterRecord,
  DEFAULT_CLUSTER,
  isArchived,
  isOpen,
  type LineSeen,
  planArchive,
} from '../../src/index.ts';

/** `QUORATE_HISTORIES=100000` for the full size. */
const RUNS = Number(process.env.QUORATE_HISTORIES ?? 2000);
const TO = 's3://bucket/archive';

/** What the ensemble was told, one after the other: a survivor has some of it, from the beginning. */
type Entry =
  | { readonly cluster: ClusterRecord }
  | { readonly release: number; readonly id: string }
  | { readonly collected: number }
  | { readonly record: ArchiveRecord };

interface State {
  readonly cluster: ClusterRecord;
  /** ids by number */
  readonly line: ReadonlyMap<number, string>;
  readonly record: ArchiveRecord | undefined;
}

/** What whoever leads has decided and not done yet: it may die, or be slow, in between. */
type Work =
  | { readonly do: 'archive'; readonly release: number; readonly id: string; readonly after: number }
  | { readonly do: 'refill' | 'refill-history'; readonly release: number; readonly id: string; readonly after: number }
  | { readonly do: 'open' }
  | { readonly do: 'tell'; readonly release: number; readonly id: string };

class World {
  log: Entry[];
  readonly archive = new Map<number, string>();
  readonly durability: ArchiveSettings['durability'];
  /** by whom it is led: another one knows nothing of what this one was about to do */
  works: (Work | undefined)[] = [undefined, undefined];
  /** what publishers wait for */
  waiting: { number: number; id: string; generation: number }[] = [];
  readonly acknowledged = new Map<number, string>();
  #ids = 0;

  constructor(durability: ArchiveSettings['durability']) {
    this.durability = durability;
    this.log = [{ cluster: this.#founded(1) }];
  }

  #founded(generation: number): ClusterRecord {
    const archive = { to: TO, durability: this.durability };
    return { format: 1, cluster: 'c', generation, settings: { ...DEFAULT_CLUSTER, archive } };
  }

  get state(): State {
    let cluster: ClusterRecord | undefined;
    let record: ArchiveRecord | undefined;
    const line = new Map<number, string>();
    for (const entry of this.log) {
      if ('cluster' in entry) cluster = entry.cluster;
      else if ('record' in entry) record = entry.record;
      else if ('collected' in entry) line.delete(entry.collected);
      else line.set(entry.release, entry.id);
    }
    return { cluster: cluster!, line, record };
  }

  /** A publisher: refused before the archive is read; else its release stands at once. */
  publish(): void {
    const { cluster, line } = this.state;
    if (!isOpen(cluster)) return;
    const number = newest(line) + 1;
    const id = `r${++this.#ids}`;
    this.log.push({ release: number, id });
    if (this.durability === 'quorum') return;
    this.waiting.push({ number, id, generation: cluster.generation });
  }

  /** Publishers hear of what is archived; those of a generation that is over have heard nothing. */
  hear(): void {
    const { cluster, record } = this.state;
    for (const { number, id, generation } of this.waiting) {
      if (generation !== cluster.generation) continue;
      if (isArchived({ bundle: 'web', number, id }, cluster, record)) this.acknowledged.set(number, id);
    }
  }

  /** Whoever leads looks, and decides. */
  look(leader: number): void {
    this.works[leader] = this.decide();
  }

  decide(): Work | undefined {
    const { cluster, line, record } = this.state;
    const [here, there] = [newest(line), newest(this.archive)];
    const meeting = Math.min(here, there);
    const copied = record?.bundles[0]?.release === meeting ? record.bundles[0].id : undefined;
    const step = planArchive(seen(line, line.get(meeting) ?? copied), seen(this.archive, this.archive.get(meeting)), {
      isOpen: isOpen(cluster),
    });
    switch (step.kind) {
      case 'refill':
        if (there > here) return { do: 'refill', release: there, id: this.archive.get(there)!, after: here };
        return { do: 'refill-history', release: oldest(line) - 1, id: this.archive.get(oldest(line) - 1)!, after: 0 };
      case 'forked':
        return undefined;
      default:
        if (!isOpen(cluster)) return { do: 'open' };
    }
    if (step.kind === 'copy') return { do: 'archive', release: step.from, id: line.get(step.from)!, after: there };
    if (there > 0 && record?.bundles[0]?.release !== there)
      return { do: 'tell', release: there, id: this.archive.get(there)! };
    return there > 0 && record?.generation !== cluster.generation
      ? { do: 'tell', release: there, id: this.archive.get(there)! }
      : undefined;
  }

  /** … and does it, if what it has seen is still so: each write is conditional. @returns whether there was anything to do */
  act(leader: number): boolean {
    const work = this.works[leader];
    this.works[leader] = undefined;
    if (!work) return false;
    const { cluster, line, record } = this.state;
    switch (work.do) {
      case 'archive':
        if (newest(this.archive) === work.after) this.archive.set(work.release, work.id);
        break;
      case 'refill':
        if (newest(line) === work.after) this.log.push({ release: work.release, id: work.id });
        break;
      case 'refill-history':
        if (!line.has(work.release)) this.log.push({ release: work.release, id: work.id });
        break;
      case 'open':
        this.log.push({ cluster: { ...cluster, archiveRead: cluster.generation } });
        break;
      case 'tell':
        this.log.push({
          record: {
            format: 1,
            by: String(leader),
            generation: cluster.generation,
            to: TO,
            bundles: [{ bundle: 'web', release: work.release, id: work.id }],
            ...(record?.since ? { since: record.since } : {}),
          },
        });
    }
    return true;
  }

  /** Whoever leads takes old releases away, when the archive has all. */
  collect(): void {
    const { line, record } = this.state;
    const lowest = oldest(line);
    if (record?.bundles[0]?.release === newest(line) && lowest < newest(line)) this.log.push({ collected: lowest });
  }

  /** All that is left of the ensemble is what one machine has of it, or nothing: it is founded again. Nobody of before goes on. */
  lose(kept: number): void {
    const { cluster } = this.state;
    this.log = this.log.slice(0, Math.round(kept * this.log.length));
    const before = this.log.length > 0 ? this.state.cluster : undefined;
    const next = { ...this.#founded(cluster.generation + 1), ...(before ? { settings: before.settings } : {}) };
    this.log.push({ cluster: next });
    this.works = [undefined, undefined];
    this.waiting = [];
  }

  /** The operator changes something else. */
  adjust(): void {
    this.log.push({ cluster: adjusted(this.state.cluster, { keep: 10 }) });
  }

  /** Whoever leads goes on until nothing is left to do. */
  settle(): void {
    this.works = [undefined, undefined];
    for (let steps = 0; ; steps++) {
      assert.ok(steps < 1000, 'it never comes to rest');
      this.look(0);
      if (!this.act(0)) return;
    }
  }
}

const newest = (line: ReadonlyMap<number, string>): number => Math.max(0, ...line.keys());
function oldest(line: ReadonlyMap<number, string>): number {
  let at = newest(line);
  while (line.has(at - 1)) at--;
  return at;
}
function seen(line: ReadonlyMap<number, string>, met: string | undefined): LineSeen | undefined {
  return line.size === 0 ? undefined : { newest: newest(line), oldest: oldest(line), met };
}

type Event =
  | { readonly event: 'publish' | 'hear' | 'collect' | 'adjust' }
  | { readonly event: 'look' | 'act' | 'work'; readonly leader: number }
  | { readonly event: 'lose'; readonly kept: number };

const leader = fc.nat({ max: 1 });
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ event: fc.constant('publish' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      event: fc.constantFrom('hear' as const, 'collect' as const, 'adjust' as const),
    }),
  },
  { weight: 4, arbitrary: fc.record({ event: fc.constantFrom('look' as const, 'act' as const), leader }) },
  { weight: 8, arbitrary: fc.record({ event: fc.constant('work' as const), leader }) },
  {
    weight: 1,
    arbitrary: fc.record({ event: fc.constant('lose' as const), kept: fc.constantFrom(0, 0.3, 0.6, 0.9, 1) }),
  },
);

function play(world: World, one: Event): void {
  switch (one.event) {
    case 'publish':
    case 'hear':
    case 'collect':
    case 'adjust':
      world[one.event]();
      break;
    case 'look':
      world.look(one.leader);
      break;
    case 'act':
      world.act(one.leader);
      break;
    case 'work':
      world.look(one.leader);
      world.act(one.leader);
      break;
    case 'lose':
      world.lose(one.kept);
  }
}

test('whatever is published, copied, slow, lost and founded again: what the archive has stays, and so does what was acknowledged', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('quorum' as const, 'archive' as const),
      fc.array(event, { minLength: 5, maxLength: 80 }),
      (durability, events) => {
        const world = new World(durability);
        const everArchived = new Map<number, string>();
        const check = (): void => {
          for (const [number, id] of everArchived) assert.equal(world.archive.get(number), id, `archived ${number}`);
          for (const [number, id] of world.archive) everArchived.set(number, id);
          for (const [number, id] of world.acknowledged)
            assert.equal(world.archive.get(number), id, `acknowledged ${number}`);
        };
        for (const one of events) {
          play(world, one);
          check();
        }
        world.settle();
        world.publish();
        world.settle();
        check();
        const { line, cluster } = world.state;
        assert.ok(isOpen(cluster));
        assert.equal(newest(line), newest(world.archive));
        for (const [number, id] of line) assert.equal(world.archive.get(number), id, `release ${number}`);
      },
    ),
    { numRuns: RUNS },
  );
});
