import { StoreError } from '../errors.ts';
import type { Backfill, CallOptions, UploadProgress } from '../store.ts';
import type { Blobs } from './blobs.ts';
import type { Line } from './collect.ts';
import type { Heads, Step } from './heads.ts';

/** Publishers and collectors that may come in between before a later call has to finish. */
const ROUNDS = 100;

/**
 * Adds older releases below those that are kept: content first, then the records, then a step of the line with the same release. A
 * collector that began before either has its fence met by this step, so that the content is looked at again, or it sees the records.
 */
export async function backfill(
  line: Line,
  blobs: Blobs,
  { bundle, releases, held }: Backfill,
  { signal, progress }: CallOptions & { readonly progress?: UploadProgress },
): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    signal?.throwIfAborted();
    const step = await line.heads.current();
    if (!step?.committed)
      throw new StoreError('CONFLICT', `there is no bundle ${bundle} whose history could be added to`);
    await line.releases.repair();
    await blobs.write(held, signal, progress);
    await line.releases.addOlder(releases);
    if (await bump(line.heads, step)) return;
  }
  throw new StoreError(
    'CONFLICT',
    `publishers and collections of ${bundle} came in between again and again: try again at a calmer time; nothing was lost`,
  );
}

/** Adds a step with the release of the newest. @returns false when a collector was there since `from` */
async function bump(heads: Heads, from: Step): Promise<boolean> {
  let last = from;
  for (let round = 0; round < ROUNDS; round++) {
    if (await heads.add(last.version, last.committed)) return true;
    const newest = await heads.current();
    for (const end = newest?.version ?? 0; last.version < end; ) {
      const next = await heads.step(last.version + 1);
      // a step with the release of the one before is a collector's; one that was pruned may have been
      if (!next || next.committed?.release.id === last.committed?.release.id) return false;
      last = next;
    }
  }
  return false;
}
