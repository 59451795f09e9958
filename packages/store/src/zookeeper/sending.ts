import type { ZooKeeper } from '@quorate/zookeeper';
import { readSource } from '../content.ts';
import type { BlobSource, CallOptions, Publication, UploadProgress } from '../store.ts';
import type { Blobs } from './blobs.ts';
import type { BlobCache } from './cache.ts';
import { CHUNK_BYTES } from './paths.ts';

/** A publication up to this is sent in one go, its atomic step right behind its blobs. */
const QUICK_BYTES = 512 * 1024;
const QUICK_BLOBS = 200;

/** What became of an atomic step; `refused` is why a blob was not stored, where that is known. */
export type Outcome<T> = { readonly done: T } | { readonly error: unknown; readonly refused?: unknown };

/**
 * Stores a publication's content, then takes an atomic step.
 * @param step told which blobs it must check, since nobody has looked whether they are there
 */
export async function sendThen<T>(
  zk: ZooKeeper,
  { blobs, cache }: { readonly blobs: Blobs; readonly cache: BlobCache },
  publication: Publication,
  options: CallOptions & { readonly progress?: UploadProgress },
  step: (checked: readonly BlobSource[]) => Promise<T>,
): Promise<Outcome<T>> {
  const { added } = publication;
  const { signal, progress } = options;
  if (!isQuick(publication)) {
    try {
      await blobs.upload(zk, added, signal, progress);
      return { done: await step([]) };
    } catch (error) {
      return { error };
    }
  }
  // from the first blob to the atomic step nothing is awaited: a session's requests are executed in their order
  const contents = await Promise.all(added.map(async (ref) => ({ ref, bytes: await readSource(ref) })));
  signal?.throwIfAborted();
  const sent = Promise.allSettled(blobs.send(zk, contents));
  try {
    const done = await step(added);
    await sent;
    for (const { ref, bytes } of contents) cache.put(ref, Buffer.from(bytes));
    const all = { blobs: added.length, bytes: added.reduce((sum, { size }) => sum + size, 0) };
    progress?.(all, all);
    return { done };
  } catch (error) {
    const refused = (await sent).find((outcome) => outcome.status === 'rejected');
    return { error, ...(refused ? { refused: refused.reason as unknown } : {}) };
  }
}

/** What brings an older release back is in the store already; it is looked for rather than read and sent again. */
function isQuick({ added, release }: Publication): boolean {
  return (
    release.rollbackOf === undefined &&
    added.length <= QUICK_BLOBS &&
    added.every(({ size }) => size <= CHUNK_BYTES) &&
    added.reduce((sum, { size }) => sum + size, 0) <= QUICK_BYTES
  );
}
