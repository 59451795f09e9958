import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeRelease, encodeRelease, type Release } from '@quorate/model';
import { noPlace } from '../errors.ts';
import { checkNamed, recordError } from '../format.ts';
import { createFile, lookAgain, makeFolder, namesIn, removeUnfinished, syncFolder } from './durable.ts';
import type { Heads } from './heads.ts';

/** The records of a bundle's releases, for history: copies of what the heads committed. */
export class Releases {
  readonly #folder: string;
  readonly #heads: Heads;
  readonly #bundle: string;

  constructor(root: string, bundle: string, heads: Heads) {
    this.#folder = join(root, 'bundles', bundle, 'releases');
    this.#heads = heads;
    this.#bundle = bundle;
  }

  async add(release: Release): Promise<void> {
    await makeFolder(this.#folder);
    await createFile(join(this.#folder, String(release.number)), encodeRelease(release));
  }

  /**
   * Adds older releases, newest first.
   * @throws StoreError CONFLICT when another release has one of the numbers, or when the line does not reach down to them
   */
  async addOlder(older: readonly Release[]): Promise<void> {
    const kept = new Set(await this.numbers());
    await makeFolder(this.#folder);
    for (const release of older) {
      const { number, id } = release;
      if (!kept.has(number) && !kept.has(number + 1)) throw noPlace(release, undefined);
      const there = (await createFile(join(this.#folder, String(number)), encodeRelease(release), { sync: false }))
        ? release
        : await this.read(number);
      if (there?.id !== id) throw noPlace(release, there);
      kept.add(number);
    }
    await syncFolder(this.#folder);
  }

  /**
   * Writes records that publishers who died after their commit did not write. Only the newest steps can lack theirs: each publisher repairs
   * what it was based on before it commits.
   */
  async repair(): Promise<void> {
    const step = await this.#heads.current();
    if (step?.committed) await this.add(step.committed.release);
  }

  async read(number: number): Promise<Release | undefined> {
    const path = join(this.#folder, String(number));
    const text = await lookAgain(path, () => readFile(path, 'utf8'));
    if (text === undefined) {
      const newest = (await this.#heads.current())?.committed?.release;
      return newest?.number === number ? newest : undefined;
    }
    try {
      const release = decodeRelease(text);
      checkNamed(path, release, { bundle: this.#bundle, number });
      return release;
    } catch (error) {
      throw recordError(path, error) ?? error;
    }
  }

  /**
   * Numbers that are kept, ascending and without gaps up to the head's. A publisher who slept between its commit and its record may write a
   * record that was collected meanwhile: such a stray is none of them.
   */
  async numbers(): Promise<number[]> {
    // the head first: each step before it has its record by then
    const newest = (await this.#heads.current())?.committed?.release.number;
    if (newest === undefined) return [];
    const there = new Set(await this.#there());
    let first = newest;
    while (there.has(first - 1)) first--;
    return Array.from({ length: newest - first + 1 }, (_, at) => first + at);
  }

  async #there(): Promise<number[]> {
    return (await namesIn(this.#folder)).filter((name) => /^[1-9]\d{0,11}$/.test(name)).map(Number);
  }

  /**
   * Removes all but the newest, oldest first, so that what stays is always one line without gaps. What is added while this looks stays.
   * @returns how many there were
   */
  async removeAllBut(keep: number): Promise<number> {
    const there = await this.#there();
    const [first = 0] = (await this.numbers()).slice(-Math.max(1, keep));
    const old = there.filter((number) => number < first).sort((a, b) => a - b);
    for (const number of old) await rm(join(this.#folder, String(number)), { force: true });
    await removeUnfinished(this.#folder);
    return old.length;
  }
}
