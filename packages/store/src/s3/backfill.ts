import type { Release } from '@quorate/model';
import { noPlace, StoreError } from '../errors.ts';
import { inLanes } from '../lanes.ts';
import { releaseBatches } from '../release-batches.ts';
import type { Backfill, CallOptions, UploadProgress } from '../store.ts';
import type { Blobs } from './blobs.ts';
import { type Line, numbersOf, type Step } from './lines.ts';

/** Publishers and collectors that may come in between before a later call has to finish. */
const ROUNDS = 100;
/** Steps whose answer may be lost on the way. */
const LOSSES = 3;
/** Bytes of the records that one step brings, but for one larger record: whoever follows the head reads them. */
const BATCH_BYTES = 256 * 1024;

/**
 * Adds older releases below those that are kept: content first, then steps with the same head that bring their records. When a collector's
 * fence came in between, or the line begins elsewhere now, the content is looked at again; publishers are in nobody's way.
 */
export async function backfill(
  line: Line,
  blobs: Blobs,
  { releases, held }: Backfill,
  { signal, progress }: CallOptions & { readonly progress?: UploadProgress },
): Promise<void> {
  let losses = 0;
  for (let round = 0; round < ROUNDS; round++) {
    signal?.throwIfAborted();
    const step = await line.settled();
    const absent = await missing(line, step, releases);
    await blobs.write(held, signal, progress);
    try {
      if (await addOlder(line, step, absent)) return;
    } catch (error) {
      // whether it was done is seen in the next round
      if (!(error instanceof StoreError && error.code === 'UNKNOWN_OUTCOME') || losses++ === LOSSES) throw error;
    }
  }
  throw new StoreError(
    'CONFLICT',
    `publishers and collections of ${line.bundle} came in between again and again: try again at a calmer time; nothing was lost`,
  );
}

/** @returns false when a collector was there since `from`, or others moved where the line begins */
async function addOlder(line: Line, from: Step | undefined, absent: readonly Release[]): Promise<boolean> {
  let step = from;
  let first = from?.committed?.first;
  for (const older of releaseBatches(absent, BATCH_BYTES)) {
    for (let added = false; !added; ) {
      const now = step?.committed;
      if (!now || now.fence !== from!.committed!.fence || now.first !== first) return false;
      const lowest = Math.min(first, older.at(-1)!.number);
      added = (await line.replace(step!, { ...now, first: lowest, older })) !== undefined;
      if (added) first = lowest;
      step = await line.settled();
    }
  }
  return true;
}

/** @throws StoreError CONFLICT when another release has one of the numbers, or when the line does not reach down to them */
async function missing(line: Line, step: Step | undefined, releases: readonly Release[]): Promise<Release[]> {
  const kept = new Set(numbersOf(step));
  const absent: Release[] = [];
  const records = await inLanes(releases, ({ number }) => line.release(number));
  for (const [at, release] of releases.entries()) {
    const { number, id } = release;
    if (!kept.has(number) && !kept.has(number + 1)) throw noPlace(release, undefined);
    // also one that is kept no more: its record may be left
    const there = records[at];
    if (there && there.id !== id) throw noPlace(release, there);
    // one that is kept without its record was deleted by hand: it comes back too
    if (!kept.has(number) || !there) absent.push(release);
    kept.add(number);
  }
  return absent;
}
