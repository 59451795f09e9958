import { blobsOf, type Release } from '@quorate/model';
import { StoreError } from '../errors.ts';
import { readManifest } from '../read.ts';
import type { Collected, Retention, Store } from '../store.ts';
import type { Blobs } from './blobs.ts';
import type { Heads } from './heads.ts';
import type { Releases } from './releases.ts';

export interface Line {
  readonly heads: Heads;
  readonly releases: Releases;
}

/** A publisher that keeps winning against the fence is met again this often before the collector leaves it to a later run. */
const ROUNDS = 20;

/**
 * Removes old releases and the blobs that nobody uses, without locks and without clocks:
 *
 * 1. Garbage is set aside, so that whoever verifies its blobs from now on sees it missing and writes it anew. Readers still find it.
 * 2. Every bundle's head is bumped: a fence. A publisher that verified before 1 now loses its compare-and-set, verifies again, and wins.
 * 3. What a release that came in between needs is brought back, and the fence is repeated.
 * 4. Only then the garbage is deleted.
 *
 * Killed anywhere, it leaves a store on which everybody is right; the next collector finishes.
 */
export async function collect(
  store: Store,
  blobs: Blobs,
  lines: () => Promise<Line[]>,
  { keep }: Retention,
): Promise<Collected> {
  let removed = 0;
  for (const line of await lines()) removed += await removeReleases(line, keep);
  const used = await usedBlobs(store, await lines());
  const garbage = (await blobs.list()).filter((hash) => !used.has(hash));
  await blobs.setAside(garbage);
  const aside = await blobs.setAsideNow();
  await fence(store, blobs, lines);
  const stillAside = new Set(await blobs.setAsideNow());
  const bytes = await blobs.deleteAside(aside.filter((hash) => stillAside.has(hash)));
  return { releases: removed, blobs: stillAside.size, bytes };
}

/** Oldest first, so that what stays is always one line without gaps. */
async function removeReleases({ heads, releases }: Line, keep: number): Promise<number> {
  await releases.repair();
  const head = (await heads.current())?.committed?.release.number;
  const old = (await releases.numbers())
    .slice(0, -Math.max(1, keep))
    .filter((number) => head !== undefined && number < head);
  for (const number of old) await releases.remove(number);
  await heads.prune();
  return old.length;
}

async function usedBlobs(store: Store, lines: readonly Line[]): Promise<Set<string>> {
  const used = new Set<string>();
  for (const { releases } of lines) {
    for (const number of await releases.numbers()) {
      const release = await releases.read(number);
      if (release) for (const hash of await blobsIn(store, release)) used.add(hash);
    }
  }
  return used;
}

async function blobsIn(store: Store, release: Release): Promise<string[]> {
  const manifest = await readManifest(store, release);
  return [...release.pages, ...blobsOf(manifest)].map(({ sha256 }) => sha256);
}

/** Bumps every head; what a release that slipped in uses is brought back before its bundle's fence stands. */
async function fence(store: Store, blobs: Blobs, lines: () => Promise<Line[]>): Promise<void> {
  for (const { heads } of await lines()) {
    for (let round = 0; ; round++) {
      const step = await heads.current();
      if (!step) break;
      if (step.committed) await blobs.bringBack(await blobsIn(store, step.committed.release));
      if (await heads.add(step.version, step.committed)) break;
      if (round === ROUNDS) {
        throw new StoreError(
          'CONFLICT',
          'publishers were faster than the collection: run it again at a calmer time; nothing was lost',
        );
      }
    }
  }
}
