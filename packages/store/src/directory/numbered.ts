import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StoreError } from '../errors.ts';
import { createFile, lookAgain, namesIn, removeUnfinished, syncFolder } from './durable.ts';

/** Files that stay, newest first. Who slept through this many steps must not think that it won. */
export const STEPS_KEPT = 1000;
const DIGITS = 12;
/** Looks at the newest file, which others may be removing, before the folder counts as damaged. */
const LOOKS = 100;

/**
 * A compare-and-set in a folder that machines may share: files `000000000001`, `…2`, each written once, whole and durable. The one with the
 * greatest number holds what is valid now, and creating the next number is the compare-and-set: link(2) lets exactly one win, on NFS too.
 */
export class NumberedFiles {
  readonly folder: string;
  readonly #kept: number;

  /** @param kept files that stay, newest first */
  constructor(folder: string, kept = STEPS_KEPT) {
    this.folder = folder;
    this.#kept = kept;
  }

  path(number: number): string {
    return join(this.folder, String(number).padStart(DIGITS, '0'));
  }

  /** @returns ascending; empty when the folder is not there */
  async numbers(): Promise<number[]> {
    return (await namesIn(this.folder))
      .filter((name) => /^\d{12}$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** @throws StoreError CORRUPT */
  async newest(): Promise<{ readonly number: number; readonly text: string } | undefined> {
    for (let look = 0; look < LOOKS; look++) {
      const number = (await this.numbers()).at(-1);
      if (number === undefined) return undefined;
      const text = await this.read(number);
      if (text !== undefined) return { number, text }; // else it was pruned since: there are newer ones
    }
    throw new StoreError('CORRUPT', `the newest file of ${this.folder} is listed and cannot be opened`);
  }

  /** @returns undefined when there is no such file, or none any more */
  read(number: number): Promise<string | undefined> {
    const path = this.path(number);
    return lookAgain(path, () => readFile(path, 'utf8'));
  }

  /** What was read so far is durable from now on: who wrote it may have died just before that. */
  settle(): Promise<void> {
    return syncFolder(this.folder);
  }

  /**
   * Adds the file after `number`.
   * @returns false when somebody else did first, or when so many were added since that it cannot be told
   * @throws what the file system says; where its answer was lost (`isLost`), the file may be there
   */
  async add(number: number, bytes: Uint8Array): Promise<boolean> {
    const next = number + 1;
    if (!(await createFile(this.path(next), bytes))) return false;
    const newest = (await this.numbers()).at(-1) ?? next;
    if (newest < next + this.#kept) return true;
    await rm(this.path(next), { force: true }); // the number may have been used and pruned long ago
    return false;
  }

  /** Removes what nobody needs: steps long passed, and what writers who died left. */
  async prune(): Promise<void> {
    const numbers = await this.numbers();
    for (const number of numbers.slice(0, -this.#kept)) await rm(this.path(number), { force: true });
    await removeUnfinished(this.folder);
  }
}
