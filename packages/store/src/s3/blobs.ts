import { randomUUID } from 'node:crypto';
import { type BlobRef, sha256 } from '@quorate/model';
import type { Aside, CollectedBlobs } from '../collection.ts';
import { readSource } from '../content.ts';
import { StoreError } from '../errors.ts';
import { inLanes } from '../lanes.ts';
import type { BlobSource, CallOptions, UploadProgress } from '../store.ts';
import { BLOBS, blobKey, TRASH } from './keys.ts';
import type { ConditionalObjects } from './objects.ts';

/**
 * ms by the service's own clock that content stays aside before it is deleted. A DELETE whose answer was lost may still be executed while its
 * signature is valid, 15 minutes at S3: by then somebody may have written the content anew, and would find it here.
 */
const ASIDE_MS = 3_600_000;

/** Content-addressed objects: `blobs/<first two digits>/<sha256>`; what a collector set aside: `trash/<sha256>/<uuid>`. */
export class Blobs implements CollectedBlobs {
  readonly #objects: ConditionalObjects;
  readonly #asideMs: number;

  constructor(objects: ConditionalObjects, asideMs: number = ASIDE_MS) {
    this.#objects = objects;
    this.#asideMs = asideMs;
  }

  /** Content that a collector has set aside is still found: it may yet be brought back. */
  async read(ref: BlobRef, options: CallOptions = {}): Promise<Buffer> {
    const key = blobKey(ref.sha256);
    const found =
      (await this.#objects.get(key, options)) ??
      (await this.#readAside(ref.sha256, options)) ??
      (await this.#objects.get(key, options));
    if (!found) throw new StoreError('NOT_FOUND', `the blob ${ref.sha256} is not in the store`);
    if (found.bytes.byteLength !== ref.size || sha256(found.bytes) !== ref.sha256) {
      throw new StoreError(
        'CORRUPT',
        `${this.#objects.url}: the object ${key} does not have the content that its name says: bring back an earlier version of it, or restore a backup`,
      );
    }
    return found.bytes;
  }

  async #readAside(hash: string, options: CallOptions): Promise<{ bytes: Buffer } | undefined> {
    for await (const { key } of this.#objects.list(`${TRASH}${hash}/`, options)) {
      const found = await this.#objects.get(key, options);
      if (found) return found;
    }
    return undefined;
  }

  /** Writes what is missing. When it returns all of it is there, whoever wrote it. */
  async write(sources: readonly BlobSource[], signal?: AbortSignal, progress?: UploadProgress): Promise<void> {
    const all = { blobs: sources.length, bytes: sources.reduce((sum, { size }) => sum + size, 0) };
    const done = { blobs: 0, bytes: 0 };
    const options = signal ? { signal } : {};
    await inLanes(sources, async (source) => {
      signal?.throwIfAborted();
      if (!(await this.#isThere(source, options))) {
        const bytes = await readSource(source);
        signal?.throwIfAborted();
        await this.#objects.put(blobKey(source.sha256), bytes, { ...options, sha256: source.sha256 });
      }
      done.blobs++;
      done.bytes += source.size;
      progress?.({ ...done }, all);
    });
  }

  async #isThere(ref: BlobRef, options: CallOptions): Promise<boolean> {
    const found = await this.#objects.look(blobKey(ref.sha256), options);
    // of what another client wrote S3 may have no checksum, or that of a multipart upload; who reads it checks it
    return found?.size === ref.size && (found.sha256?.length !== 64 || found.sha256 === ref.sha256);
  }

  /** Copies every blob that is not used into the trash, then deletes it. @returns hash → size */
  async setAsideUnused(used: ReadonlySet<string>): Promise<Aside> {
    const unused: { hash: string; size: number }[] = [];
    for await (const { key, size } of this.#objects.list(BLOBS)) {
      const hash = key.slice(BLOBS.length + 3);
      if (key === blobKey(hash) && /^[0-9a-f]{64}$/.test(hash) && !used.has(hash)) unused.push({ hash, size });
    }
    const aside = new Map<string, number>();
    await inLanes(unused, async ({ hash, size }) => {
      if (!(await this.#objects.copy(blobKey(hash), `${TRASH}${hash}/${randomUUID()}`))) return; // another collector was here
      await this.#objects.delete(blobKey(hash));
      aside.set(hash, size);
    });
    return {
      delete: async (usedSince) => {
        await this.#emptyTrash(usedSince);
        for (const hash of usedSince) aside.delete(hash);
        return { blobs: aside.size, bytes: [...aside.values()].reduce((sum, size) => sum + size, 0) };
      },
    };
  }

  /** Puts back what is used, whoever set it aside. The copies stay in the trash for their time. */
  async bringBack(wanted: ReadonlySet<string>): Promise<void> {
    const copies = new Map<string, string>();
    if (wanted.size === 0) return;
    for await (const { key } of this.#objects.list(TRASH)) {
      const hash = hashAside(key);
      if (hash !== undefined && wanted.has(hash)) copies.set(hash, key);
    }
    await inLanes([...copies], async ([hash, key]) => {
      if (!(await this.#objects.look(blobKey(hash)))) await this.#objects.copy(key, blobKey(hash));
    });
  }

  /** Deletes what has been aside for its time. Nobody but a reader looks for anything there, so it needs no fence of its own. */
  async #emptyTrash(used: ReadonlySet<string>): Promise<void> {
    const old: string[] = [];
    for await (const { key, written } of this.#objects.list(TRASH)) {
      const isOurs = hashAside(key) !== undefined;
      // both times are the service's
      if (isOurs && this.#objects.serviceTime - written >= this.#asideMs) old.push(key);
    }
    await inLanes(old, async (key) => {
      const hash = hashAside(key)!;
      if (used.has(hash) && !(await this.#objects.look(blobKey(hash)))) return; // the next collector brings it back
      await this.#objects.delete(key);
    });
  }
}

function hashAside(key: string): string | undefined {
  return /^trash\/([0-9a-f]{64})\/[0-9a-f-]{36}$/.exec(key)?.[1];
}
