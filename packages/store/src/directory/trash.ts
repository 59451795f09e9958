import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Aside } from '../collection.ts';
import { lookAgain, makeFolder, namesIn } from './durable.ts';
import { codeOf, isMissing } from './errors.ts';

/** Looks for a file that others may be moving around, before it counts as gone. */
const LOOKS = 3;

export const isHash = (name: string): boolean => /^[0-9a-f]{64}$/.test(name);

/** Folders of runs; other names are leavings of a file system or a person. */
const isRun = (name: string): boolean => /^[0-9a-f-]{36}$/.test(name);

/**
 * Blobs that collectors have set aside and not yet deleted, below `trash/`. Each run of a collector has folders of its own, and only
 * deletes there: what another one set aside, that one may yet bring back. A run that died is taken over by renaming its folders.
 */
export class Trash {
  readonly #folder: string;

  constructor(root: string) {
    this.#folder = join(root, 'trash');
  }

  /** Content that is aside; undefined when it is not. */
  async read(hash: string): Promise<Buffer | undefined> {
    for (let look = 0; look < LOOKS; look++) {
      for (const folder of await this.#folders()) {
        const path = join(folder, hash);
        const bytes = await lookAgain(path, () => readFile(path));
        if (bytes) return bytes;
      }
    }
    return undefined;
  }

  /** Moves files back to where they belong, whoever set them aside. */
  async bringBack(hashes: ReadonlySet<string>, home: (hash: string) => string): Promise<void> {
    for (const folder of await this.#folders()) {
      for (const name of await namesIn(folder)) {
        if (!hashes.has(name)) continue;
        await makeFolder(dirname(home(name)));
        await move(join(folder, name), home(name));
      }
    }
  }

  /** A new run, which owns from now on what is in the trash already. */
  async takeOver(): Promise<TrashRun> {
    const found = await this.#folders();
    const own = found.map(() => join(this.#folder, randomUUID()));
    for (const [at, folder] of found.entries()) await move(folder, own[at]!);
    return new TrashRun(join(this.#folder, randomUUID()), own);
  }

  async #folders(): Promise<string[]> {
    return (await namesIn(this.#folder)).filter(isRun).map((name) => join(this.#folder, name));
  }
}

/** What one run of a collector has set aside. When another run took it over, its steps find nothing any more and do nothing. */
export class TrashRun implements Aside {
  readonly #folder: string;
  readonly #taken: readonly string[];

  constructor(folder: string, taken: readonly string[]) {
    this.#folder = folder;
    this.#taken = taken;
  }

  /** From now on whoever looks whether these are there, sees them missing. */
  async setAside(paths: readonly string[]): Promise<void> {
    if (paths.length > 0) await makeFolder(this.#folder);
    for (const path of paths) await move(path, join(this.#folder, basename(path)));
  }

  async names(): Promise<string[]> {
    const names: string[] = [];
    for (const folder of [this.#folder, ...this.#taken]) names.push(...(await namesIn(folder)));
    return names;
  }

  /** Deletes all of it but what is `used`. @returns how much it was */
  async delete(used: ReadonlySet<string>): Promise<{ blobs: number; bytes: number }> {
    const deleted = { blobs: 0, bytes: 0 };
    for (const folder of [this.#folder, ...this.#taken]) {
      for (const name of await namesIn(folder)) {
        if (!isHash(name) || used.has(name)) continue;
        try {
          const { size } = await stat(join(folder, name));
          await rm(join(folder, name));
          deleted.blobs++;
          deleted.bytes += size;
        } catch (error) {
          if (!isMissing(error)) throw error; // taken over just now
        }
      }
      await removeEmpty(folder);
    }
    return deleted;
  }
}

async function removeEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    const code = codeOf(error);
    // never made, or taken over; or it holds what is used, which the next run brings back
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!isMissing(error)) throw error; // moved by somebody else already
  }
}
