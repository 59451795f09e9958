import { protectedFrom } from '@quorate/model';
import { StoreError } from '../errors.ts';
import { Marking } from '../marking.ts';
import type { Collected, Retention, Store } from '../store.ts';
import type { Blobs } from './blobs.ts';
import { inLanes } from './lanes.ts';
import { type Line, numbersOf } from './lines.ts';

/** A publisher that keeps winning against the fence is met again this often before the collector leaves it to a later run. */
const ROUNDS = 50;

/** What is in use as far as was looked, and which releases of each bundle that is. */
interface Marked {
  readonly marking: Marking;
  readonly used: Set<string>;
  readonly seen: Map<string, Set<number>>;
}

/**
 * Removes old releases and the blobs that nobody uses, without locks and without comparing two machines' clocks, as the directory store does:
 *
 * 1. Garbage is set aside, so that whoever verifies its blobs from now on sees it missing and writes it anew. Readers still find it.
 * 2. Every bundle's head is bumped: a fence. A publisher that verified before 1 now loses its compare-and-set, verifies again, and wins.
 *    A first publisher begins its line before it verifies, so that either the fence meets it or it sees the garbage missing.
 * 3. What a release that came in between needs is brought back before that.
 * 4. What has been aside for an hour, by S3's clock, is deleted: see `Blobs`.
 *
 * Nothing here believes a listing that says that something is not there: bundles stand in the registry, releases in their head.
 */
export async function collect(
  store: Store,
  blobs: Blobs,
  lines: () => Promise<Line[]>,
  { keep }: Retention,
): Promise<Collected> {
  let releases = 0;
  for (const line of await lines())
    releases += await line.trim(keep, protectedFrom((await store.tags(line.bundle)).tags));
  const marked: Marked = { marking: new Marking(store), used: new Set(), seen: new Map() };
  for (const line of await lines()) await mark(line, marked);
  const aside = await blobs.setAsideUnused(marked.used);
  await blobs.bringBack(marked.used); // what a collector that was killed has left aside
  for (const line of await lines()) for (const hash of await fence(blobs, line, marked)) aside.delete(hash);
  await blobs.emptyTrash(marked.used);
  return { releases, blobs: aside.size, bytes: [...aside.values()].reduce((sum, size) => sum + size, 0) };
}

/** Marks what the releases use that came since the last marking: newer ones, and older ones that a restore brought back. */
async function mark(line: Line, { marking, used, seen }: Marked): Promise<string[]> {
  const before = seen.get(line.bundle) ?? new Set();
  seen.set(line.bundle, before);
  const numbers = numbersOf(await line.current()).filter((number) => !before.has(number));
  const found = await inLanes(numbers, async (number) => {
    const release = await line.release(number);
    if (release) return marking.usedBy(release);
    if (!numbersOf(await line.current()).includes(number)) return []; // another collector, which keeps fewer, was here
    throw new StoreError(
      'CORRUPT',
      `the record of release ${number} of ${line.bundle} is gone, and with it what it uses: nothing is removed; bring it back from a backup (quorate ensemble restore)`,
    );
  });
  for (const number of numbers) before.add(number);
  for (const hash of found.flat()) used.add(hash);
  return found.flat();
}

/** Bumps a head. What releases that came after the marking use is brought back before the bundle's fence stands. @returns what was */
async function fence(blobs: Blobs, line: Line, marked: Marked): Promise<string[]> {
  const back: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const step = await line.current();
    if (!step) return back;
    back.push(...(await blobs.bringBack(await mark(line, marked))));
    if (await line.fence(step)) return back;
  }
  throw new StoreError(
    'CONFLICT',
    `publishers of ${line.bundle} were faster than the collection: run it again at a calmer time; nothing was lost`,
  );
}
