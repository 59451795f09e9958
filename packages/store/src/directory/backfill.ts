import type { Release } from '@quorate/model';
import { noPlace, StoreError } from '../errors.ts';
import type { Backfill, CallOptions, UploadProgress } from '../store.ts';
import type { Blobs } from './blobs.ts';
import type { Heads, Step } from './heads.ts';
import type { Line } from './line.ts';

/** Publishers and collectors that may come in between before a later call has to finish. */
const ROUNDS = 100;

/**
 * Adds older releases below those that are kept: content first, then one step of the line with the same head, which brings their records. It
 * fails when a collector's fence came in between, as a publisher's does; then the content is looked at again.
 */
export async function backfill(
  line: Line,
  blobs: Blobs,
  { bundle, releases, held }: Backfill,
  { signal, progress }: CallOptions & { readonly progress?: UploadProgress },
): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    signal?.throwIfAborted();
    await line.releases.settleOlder();
    const step = await line.heads.current();
    const older = await missing(line, releases);
    await blobs.write(held, signal, progress);
    if (older.length === 0 || (step && (await addOlder(line.heads, step, older)))) return line.releases.settleOlder();
  }
  throw new StoreError(
    'CONFLICT',
    `publishers and collections of ${bundle} came in between again and again: try again at a calmer time; nothing was lost`,
  );
}

/** @throws StoreError CONFLICT when another release has one of the numbers, or when the line does not reach down to them */
async function missing(line: Line, releases: readonly Release[]): Promise<Release[]> {
  const kept = new Set(await line.releases.numbers());
  const absent: Release[] = [];
  for (const release of releases) {
    const { number, id } = release;
    if (!kept.has(number) && !kept.has(number + 1)) throw noPlace(release, undefined);
    // also one that is kept no more: its record may be left
    const there = await line.releases.read(number);
    if (there && there.id !== id) throw noPlace(release, there);
    if (!kept.has(number)) absent.push(release);
    kept.add(number);
  }
  return absent;
}

/** A step with the release of the newest, after publishers who come in between. @returns false when a collector was there since `from` */
async function addOlder(heads: Heads, from: Step, older: readonly Release[]): Promise<boolean> {
  let last = from;
  for (let round = 0; round < ROUNDS && last.committed; round++) {
    if (await heads.add(last.version, { ...last.committed, older })) return true;
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
