import { type BlobRef, type Manifest, manifestFromPages, type Release } from '@quorate/model';
import type { CallOptions, Store } from '@quorate/store';

/** Where an apply gets what this machine does not have yet. */
export interface ReleaseSource {
  manifest(): Promise<Manifest>;
  blob(ref: BlobRef): Promise<Buffer>;
}

/** What is asked for ahead of need, at most: enough for any usual change, no burden on a small machine. Bytes. */
const AHEAD_MOST = 4 * 1024 * 1024;

/**
 * A release's content from the store. The release names what its parent lacks, so an instance that has the parent asks for pages and
 * contents in one round instead of two.
 * @param has whether this machine holds a blob already
 */
export function releaseSource(
  store: Store,
  release: Release,
  has: (ref: BlobRef) => boolean,
  options?: CallOptions,
): ReleaseSource {
  const asked = new Map<string, Promise<Buffer>>();
  const blob = (ref: BlobRef): Promise<Buffer> => {
    const before = asked.get(ref.sha256);
    if (before) {
      asked.delete(ref.sha256);
      return before;
    }
    return store.blob(ref, options);
  };
  return {
    manifest: async () => {
      let bytes = 0;
      for (const ref of release.adds) {
        bytes += ref.size;
        if (bytes > AHEAD_MOST) break;
        if (has(ref) || asked.has(ref.sha256)) continue;
        const arriving = store.blob(ref, options);
        arriving.catch(() => undefined); // told to whoever asks for this blob; nobody may ever
        asked.set(ref.sha256, arriving);
      }
      return manifestFromPages(await Promise.all(release.pages.map(blob)));
    },
    blob,
  };
}
