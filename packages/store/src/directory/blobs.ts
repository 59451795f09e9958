import { mkdir, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type BlobRef, sha256 } from '@quorate/model';
import { StoreError } from '../errors.ts';
import type { BlobSource, UploadProgress } from '../store.ts';
import { createFile, isMissing, makeFolder, syncFolder } from './durable.ts';

/** How many blobs are written at once: enough to keep a disk or a mount busy. */
const LANES = 8;

/** Content-addressed files below `blobs/`, and those about to be deleted below `trash/`. */
export class Blobs {
  readonly #folder: string;
  readonly #trash: string;

  constructor(root: string) {
    this.#folder = join(root, 'blobs');
    this.#trash = join(root, 'trash');
  }

  #path(hash: string): string {
    return join(this.#folder, hash.slice(0, 2), hash);
  }

  /** A blob that a collector has set aside is still found: it may yet be brought back. */
  async read(ref: BlobRef): Promise<Buffer> {
    for (const path of [this.#path(ref.sha256), join(this.#trash, ref.sha256), this.#path(ref.sha256)]) {
      let bytes: Buffer;
      try {
        bytes = await readFile(path);
      } catch (error) {
        if (isMissing(error)) continue;
        throw error;
      }
      if (bytes.byteLength !== ref.size || sha256(bytes) !== ref.sha256) {
        throw new StoreError(
          'CORRUPT',
          `the file ${path} does not have the content that its name says: restore it from a backup`,
        );
      }
      return bytes;
    }
    throw new StoreError('NOT_FOUND', `the blob ${ref.sha256} is not in the store`);
  }

  async has(ref: BlobRef): Promise<boolean> {
    try {
      return (await stat(this.#path(ref.sha256))).size === ref.size;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** Writes what is missing, durable when it returns. */
  async write(sources: readonly BlobSource[], signal?: AbortSignal, progress?: UploadProgress): Promise<void> {
    const all = { blobs: sources.length, bytes: sources.reduce((sum, { size }) => sum + size, 0) };
    const done = { blobs: 0, bytes: 0 };
    const folders = new Set<string>();
    const queue = [...sources];
    const lane = async (): Promise<void> => {
      for (let source = queue.shift(); source; source = queue.shift()) {
        signal?.throwIfAborted();
        if (!(await this.has(source))) folders.add(await this.#writeOne(source));
        done.blobs++;
        done.bytes += source.size;
        progress?.(done, all);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    for (const folder of folders) await syncFolder(folder);
  }

  /** @returns the folder that has to be synced */
  async #writeOne(source: BlobSource): Promise<string> {
    const bytes = await source.read();
    if (bytes.byteLength !== source.size || sha256(bytes) !== source.sha256) {
      throw new StoreError(
        'CORRUPT',
        `content changed while it was published: it should have the hash ${source.sha256}; publish again`,
      );
    }
    const path = this.#path(source.sha256);
    await makeFolder(dirname(path));
    if (!(await createFile(path, bytes, { sync: false })) && !(await this.has(source))) {
      await unlink(path); // a file of another size: torn by a crash of the machine before it was synced
      await createFile(path, bytes, { sync: false });
    }
    return dirname(path);
  }

  async list(): Promise<string[]> {
    const hashes: string[] = [];
    for (const shard of await names(this.#folder)) hashes.push(...(await names(join(this.#folder, shard))));
    return hashes.filter((name) => /^[0-9a-f]{64}$/.test(name));
  }

  /** Sets blobs aside: from now on whoever looks whether they are there, sees them missing. */
  async setAside(hashes: readonly string[]): Promise<void> {
    await mkdir(this.#trash, { recursive: true, mode: 0o700 });
    for (const hash of hashes) await move(this.#path(hash), join(this.#trash, hash));
  }

  async bringBack(hashes: Iterable<string>): Promise<void> {
    for (const hash of hashes) {
      await makeFolder(dirname(this.#path(hash)));
      await move(join(this.#trash, hash), this.#path(hash));
    }
  }

  async setAsideNow(): Promise<string[]> {
    return names(this.#trash);
  }

  /** @returns bytes freed */
  async deleteAside(hashes: readonly string[]): Promise<number> {
    let bytes = 0;
    for (const hash of hashes) {
      const path = join(this.#trash, hash);
      bytes += (await stat(path).catch(() => ({ size: 0 }))).size; // another collector may have been faster
      await rm(path, { force: true });
    }
    return bytes;
  }
}

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!isMissing(error)) throw error; // moved by somebody else already
  }
}
