import { protectedFrom } from '@quorate/model';
import { StoreError } from '../errors.ts';
import { Marking } from '../marking.ts';
import type { Collected, Retention, Store } from '../store.ts';
import type { Blobs } from './blobs.ts';
import type { Heads } from './heads.ts';
import type { Releases } from './releases.ts';
import type { Tags } from './tags.ts';

/** One bundle: its heads, and the records of its releases. */
export interface Line {
  readonly bundle: string;
  readonly heads: Heads;
  readonly releases: Releases;
  readonly tags: Tags;
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
 * Removes old releases and the blobs that nobody uses, without locks and without clocks:
 *
 * 1. Garbage is set aside, so that whoever verifies its blobs from now on sees it missing and writes it anew. Readers still find it.
 * 2. Every bundle's head is bumped: a fence. A publisher that verified before 1 now loses its compare-and-set, verifies again, and wins.
 *    A first publisher begins its line before it verifies, so that either the fence meets it or it sees the garbage missing.
 * 3. What a release that came in between needs is brought back, and the fence is repeated.
 * 4. Only then the garbage is deleted.
 *
 * Killed anywhere, it leaves a store on which everybody is right; the next collector brings back what is used by then, and finishes.
 */
export async function collect(
  store: Store,
  blobs: Blobs,
  lines: () => Promise<Line[]>,
  { keep }: Retention,
): Promise<Collected> {
  let releases = 0;
  for (const line of await lines()) releases += await removeReleases(line, keep);
  const marked: Marked = { marking: new Marking(store), used: new Set(), seen: new Map() };
  for (const line of await lines()) await mark(line, marked);
  const run = await blobs.setAsideUnused(marked.used);
  await blobs.bringBack(marked.used); // what a collector that was killed has left aside
  for (const line of await lines()) await fence(blobs, line, marked);
  const deleted = await run.delete(marked.used);
  await blobs.removeUnfinished();
  return { releases, ...deleted };
}

async function removeReleases({ heads, releases, tags }: Line, keep: number): Promise<number> {
  await releases.settleOlder();
  await releases.repair();
  const removed = await releases.removeAllBut(keep, protectedFrom((await tags.read()).tags));
  await heads.prune();
  return removed;
}

/** Marks what the releases use that came since the last marking: newer ones, and older ones that a restore brought back. */
async function mark({ bundle, releases }: Line, { marking, used, seen }: Marked): Promise<string[]> {
  const found: string[] = [];
  const before = seen.get(bundle) ?? new Set();
  seen.set(bundle, before);
  for (const number of await releases.numbers()) {
    if (before.has(number)) continue;
    const release = await releases.read(number);
    if (release) found.push(...(await marking.usedBy(release)));
    before.add(number);
  }
  for (const hash of found) used.add(hash);
  return found;
}

/** Bumps a head. What releases that came after the marking use is brought back before the bundle's fence stands. */
async function fence(blobs: Blobs, line: Line, marked: Marked): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const step = await line.heads.current();
    if (!step) return;
    await blobs.bringBack(new Set(await mark(line, marked)));
    if (await line.heads.add(step.version, step.committed)) return;
  }
  throw new StoreError(
    'CONFLICT',
    `publishers of ${line.bundle} were faster than the collection: run it again at a calmer time; nothing was lost`,
  );
}
