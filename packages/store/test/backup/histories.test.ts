import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import test from 'node:test';
import fc from 'fast-check';
import { Backup } from '../../src/backup/index.ts';
import { type Store, StoreError } from '../../src/index.ts';
import { backedUp, everything, Place, publishLine, restored } from './place.ts';

/** How many random histories; each takes some tenths of a second, mostly of syncing. */
const RUNS = Number(process.env.QUORATE_HISTORIES ?? 12);

type Step =
  | { readonly do: 'publish'; readonly store: number; readonly bundle: string; readonly times: number }
  | { readonly do: 'collect'; readonly store: number; readonly keep: number }
  | { readonly do: 'backup' | 'restore'; readonly store: number; readonly breaks: number | undefined };

const store = fc.nat({ max: 1 });
const breaks = fc.option(fc.nat({ max: 12 }), { nil: undefined });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('publish' as const),
    store,
    bundle: fc.constantFrom('a', 'b'),
    times: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({ do: fc.constant('collect' as const), store, keep: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constantFrom('backup' as const, 'restore' as const), store, breaks }),
  fc.record({ do: fc.constantFrom('backup' as const, 'restore' as const), store, breaks }),
);

/** A store that is lost at its n-th call. */
function lostAt(store: Store, nth: number | undefined): Store {
  let calls = 0;
  return new Proxy(store, {
    get: (target, name) => {
      const value = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (calls++ === nth) throw new StoreError('UNREACHABLE', 'lost');
        return value.apply(target, args);
      };
    },
  });
}

/** The codes that a step may end with. */
const endings: Readonly<Record<Step['do'], readonly string[]>> = {
  publish: [],
  collect: [],
  backup: ['UNREACHABLE'],
  restore: ['UNREACHABLE', 'DIVERGED'],
};

type Lines = Record<string, { head: { release: number }; releases: { release: { number: number; id: string } }[] }>;

test('whatever is published, collected, backed up, restored and broken off, in whatever order: no release changes or is half there', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
      await using place = await Place.make();
      const stores = await Promise.all(['one', 'two'].map((name) => place.store(name)));
      const file = place.path('b.tar');
      /** every release that anybody ever saw in a store, by store, bundle and number: its id */
      const known = new Map<string, string>();
      for (const each of steps) {
        const target = stores[each.store]!;
        const before = (await everything(target)) as Lines;
        await run(each, target, file).catch((error: { code?: string }) => {
          if (!endings[each.do].includes(error.code ?? '')) throw error;
        });
        const after = (await everything(target)) as Lines;
        check(known, each, target.url, before, after);
      }
      await finish(stores, file);
    }),
    { numRuns: RUNS },
  );
});

async function run(step: Step, store: Store, file: string): Promise<void> {
  if (step.do === 'publish')
    await publishLine(store, step.bundle, step.times, (number) => ({
      a: `${store.url} ${number}`,
      b: `${number % 3}`,
    }));
  else if (step.do === 'collect') await store.collect({ keep: step.keep });
  else if (step.do === 'backup') await backedUp(lostAt(store, step.breaks), file);
  else
    await restored(lostAt(store, step.breaks), file).catch((error: { code?: string }) => {
      if (error.code !== 'ENOENT') throw error; // nothing was backed up yet
    });
}

/** No head goes back, no release is replaced, and lines have no gaps: `everything` has read all their content. */
function check(known: Map<string, string>, step: Step, url: string, before: Lines, after: Lines): void {
  for (const [bundle, line] of Object.entries(after)) {
    const numbers = line.releases.map(({ release }) => release.number);
    assert.deepEqual(
      numbers,
      Array.from(numbers, (_, at) => numbers[0]! + at),
    );
    assert.equal(numbers.at(-1), line.head.release);
    for (const { release } of line.releases) {
      const key = `${url} ${bundle} ${release.number}`;
      assert.equal(known.get(key) ?? release.id, release.id, key);
      known.set(key, release.id);
    }
  }
  for (const [bundle, { head }] of Object.entries(before)) {
    const now = after[bundle]?.head.release ?? 0;
    assert.ok(now >= head.release, `${bundle} went back from ${head.release} to ${now}`);
    if (step.do === 'backup' || step.do === 'collect') assert.equal(now, head.release);
  }
}

/** What stands in the file can be restored into an empty store, and is the same there. */
async function finish(stores: readonly Store[], file: string): Promise<void> {
  await using place = await Place.make();
  await using empty = await place.store('empty');
  await backedUp(stores[0]!, file);
  await using backup = await Backup.open(file);
  await restored(empty, file);
  assert.deepEqual(await everything(empty), await everything(stores[0]!));
  assert.equal(
    backup.releases,
    Object.values(await everything(empty)).flatMap((line) => (line as Lines[string]).releases).length,
  );
  rmSync(file);
}
