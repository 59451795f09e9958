import { readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type BlobRef, sha256 } from '@quorate/model';
import type { CollectedBlobs } from '../collection.ts';
import { readSource } from '../content.ts';
import { StoreError } from '../errors.ts';
import type { BlobSource, UploadProgress } from '../store.ts';
import { createFile, lookAgain, makeFolder, namesIn, removeUnfinished, syncFolder } from './durable.ts';
import { isMissing } from './errors.ts';
import { isHash, Trash, type TrashRun } from './trash.ts';

/** How many blobs are written at once: enough to keep a disk or a mount busy. */
const LANES = 8;

/** Content-addressed files: `blobs/<first two digits>/<sha256>`. */
export class Blobs implements CollectedBlobs {
  readonly #folder: string;
  readonly #trash: Trash;

  constructor(root: string) {
    this.#folder = join(root, 'blobs');
    this.#trash = new Trash(root);
  }

  #path = (hash: string): string => join(this.#folder, hash.slice(0, 2), hash);

  /** A blob that a collector has set aside is still found: it may yet be brought back. */
  async read(ref: BlobRef): Promise<Buffer> {
    const path = this.#path(ref.sha256);
    const there = (): Promise<Buffer | undefined> => lookAgain(path, () => readFile(path));
    const bytes = (await there()) ?? (await this.#trash.read(ref.sha256)) ?? (await there());
    if (!bytes) throw new StoreError('NOT_FOUND', `the blob ${ref.sha256} is not in the store`);
    if (bytes.byteLength !== ref.size || sha256(bytes) !== ref.sha256) {
      throw new StoreError(
        'CORRUPT',
        `the file ${path} does not have the content that its name says: restore it from a backup`,
      );
    }
    return bytes;
  }

  /** Writes what is missing. When it returns all of it is durable, also what another publisher has just written. */
  async write(sources: readonly BlobSource[], signal?: AbortSignal, progress?: UploadProgress): Promise<void> {
    if (sources.length === 0) return;
    const all = { blobs: sources.length, bytes: sources.reduce((sum, { size }) => sum + size, 0) };
    const done = { blobs: 0, bytes: 0 };
    const isThere = await this.#look(sources);
    const queue = [...sources];
    const lane = async (): Promise<void> => {
      try {
        for (let source = queue.shift(); source; source = queue.shift()) {
          signal?.throwIfAborted();
          if (!(await isThere(source))) await this.#writeOne(source);
          done.blobs++;
          done.bytes += source.size;
          progress?.(done, all);
        }
      } catch (error) {
        queue.length = 0; // the other lanes finish what they have and begin nothing more
        throw error;
      }
    };
    const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane));
    for (const outcome of lanes) if (outcome.status === 'rejected') throw outcome.reason;
    for (const folder of new Set(sources.map((ref) => dirname(this.#path(ref.sha256))))) await syncFolder(folder);
    await syncFolder(this.#folder);
  }

  /** A look at the folders that these belong into: opened now, so that no network mount answers from its memory. */
  async #look(refs: readonly BlobRef[]): Promise<(ref: BlobRef) => Promise<boolean>> {
    const there = new Set<string>();
    const shards = new Set(refs.map(({ sha256 }) => dirname(this.#path(sha256))));
    for (const shard of shards) for (const name of await namesIn(shard)) there.add(name);
    return async (ref) => there.has(ref.sha256) && this.#hasWhole(ref);
  }

  async #hasWhole(ref: BlobRef): Promise<boolean> {
    try {
      return (await stat(this.#path(ref.sha256))).size === ref.size;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async #writeOne(source: BlobSource): Promise<void> {
    const bytes = await readSource(source);
    const path = this.#path(source.sha256);
    await makeFolder(dirname(path));
    while (!(await createFile(path, bytes, { sync: false }))) {
      if (await this.#hasWhole(source)) return;
      await rm(path, { force: true }); // another size: no publisher of ours wrote it; or a collector was here in between
    }
  }

  /** Sets aside every blob that is not used, and takes over what earlier runs left in the trash. */
  async setAsideUnused(used: ReadonlySet<string>): Promise<TrashRun> {
    const run = await this.#trash.takeOver();
    const unused: string[] = [];
    for (const shard of await this.#shards())
      for (const name of await namesIn(shard)) if (isHash(name) && !used.has(name)) unused.push(join(shard, name));
    await run.setAside(unused);
    return run;
  }

  bringBack(hashes: ReadonlySet<string>): Promise<void> {
    return this.#trash.bringBack(hashes, this.#path);
  }

  /** Removes what publishers who died in the middle left. */
  async removeUnfinished(): Promise<void> {
    for (const shard of await this.#shards()) await removeUnfinished(shard);
  }

  async #shards(): Promise<string[]> {
    const names = await namesIn(this.#folder);
    return names.filter((name) => /^[0-9a-f]{2}$/.test(name)).map((name) => join(this.#folder, name));
  }
}
