import { protectedFrom, type Release } from '@quorate/model';
import { StoreError } from './errors.ts';
import { inLanes } from './lanes.ts';
import { Marking } from './marking.ts';
import type { Collected, Retention, Store } from './store.ts';

/** A bundle's line of releases, as a collector sees it. */
export interface CollectedLine<Step> {
  readonly bundle: string;
  /** @returns undefined when the line has not begun */
  current(): Promise<Step | undefined>;
  /** of the releases that are kept */
  numbers(): Promise<number[]>;
  release(number: number): Promise<Release | undefined>;
  /**
   * Removes all but the newest, oldest first for whoever looks.
   * @param least asked for at the last moment: it and what came after it stays too
   * @returns how many there were
   */
  trim(keep: number, least: () => Promise<number>): Promise<number>;
  /** Bumps the head. @returns false when somebody else was faster */
  fence(from: Step): Promise<boolean>;
}

/** A store's content, as a collector sees it. */
export interface CollectedBlobs {
  /** From now on whoever looks whether what is not used is there, sees it missing. Readers still find it. */
  setAsideUnused(used: ReadonlySet<string>): Promise<Aside>;
  /** Puts back what is used, whoever set it aside. */
  bringBack(used: ReadonlySet<string>): Promise<void>;
}

/** What one run has set aside. */
export interface Aside {
  /** Deletes what may be deleted by now. @returns how much this run took away of what is not used */
  delete(used: ReadonlySet<string>): Promise<Pick<Collected, 'blobs' | 'bytes'>>;
}

/** A publisher that keeps winning against the fence is met again this often before the collector leaves it to a later run. */
const ROUNDS = 50;

/** What is in use as far as was looked, and which releases of each bundle that is. */
interface Marked {
  readonly marking: Marking;
  readonly used: Set<string>;
  readonly seen: Map<string, Set<number>>;
}

/**
 * Removes old releases and the blobs that nobody uses, without locks and without comparing two machines' clocks:
 *
 * 1. Garbage is set aside, so that whoever verifies its blobs from now on sees it missing and writes it anew. Readers still find it.
 * 2. Every bundle's head is bumped: a fence. A publisher that verified before 1 now loses its compare-and-set, verifies again, and wins.
 *    A first publisher begins its line before it verifies, so that either the fence meets it or it sees the garbage missing.
 * 3. What a release that came in between needs is brought back before its bundle's fence stands.
 * 4. Only then garbage is deleted: at once in a folder, after an hour aside by S3's clock in a bucket.
 *
 * Killed anywhere, it leaves a store on which everybody is right; the next collector brings back what is used by then, and finishes.
 */
export async function collect<Step>(
  store: Store,
  blobs: CollectedBlobs,
  lines: () => Promise<CollectedLine<Step>[]>,
  { keep }: Retention,
): Promise<Collected> {
  let releases = 0;
  for (const line of await lines()) {
    const least = async (): Promise<number> => protectedFrom((await store.tags(line.bundle)).tags);
    releases += await line.trim(keep, least);
  }
  const marked: Marked = { marking: new Marking(store), used: new Set(), seen: new Map() };
  for (const line of await lines()) await mark(line, marked);
  const aside = await blobs.setAsideUnused(marked.used);
  await blobs.bringBack(marked.used); // what a collector that was killed has left aside
  for (const line of await lines()) await fence(blobs, line, marked);
  return { releases, ...(await aside.delete(marked.used)) };
}

/** Marks what the releases use that came since the last marking: newer ones, and older ones that a restore brought back. */
async function mark<Step>(line: CollectedLine<Step>, { marking, used, seen }: Marked): Promise<Set<string>> {
  const before = seen.get(line.bundle) ?? new Set();
  seen.set(line.bundle, before);
  const numbers = (await line.numbers()).filter((number) => !before.has(number));
  const found = await inLanes(numbers, async (number) => {
    const release = await line.release(number);
    if (release) return marking.usedBy(release);
    if (!(await line.numbers()).includes(number)) return []; // another collector, which keeps fewer, was here
    throw new StoreError(
      'CORRUPT',
      `the record of release ${number} of ${line.bundle} is gone, and with it what it uses: nothing is removed; bring it back from a backup (quorate ensemble restore)`,
    );
  });
  for (const number of numbers) before.add(number);
  for (const hash of found.flat()) used.add(hash);
  return new Set(found.flat());
}

/** Bumps a head. What releases that came after the marking use is brought back before the bundle's fence stands. */
async function fence<Step>(blobs: CollectedBlobs, line: CollectedLine<Step>, marked: Marked): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const step = await line.current();
    if (!step) return;
    await blobs.bringBack(await mark(line, marked));
    if (await line.fence(step)) return;
  }
  throw new StoreError(
    'CONFLICT',
    `publishers of ${line.bundle} were faster than the collection: run it again at a calmer time; nothing was lost`,
  );
}
