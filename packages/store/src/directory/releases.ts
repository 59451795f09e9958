import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeRelease, encodeRelease, type Release, standingRelease } from '@quorate/model';
import { checkNamed, recordError } from '../format.ts';
import { createFile, lookAgain, makeFolder, namesIn, removeUnfinished } from './durable.ts';
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
   * Writes records that are in the newest step alone: those of publishers who died after their commit, and older ones. Only the newest steps
   * can lack theirs: each publisher repairs what it was based on before it commits.
   */
  async repair(): Promise<void> {
    const committed = (await this.#heads.current())?.committed;
    if (committed) for (const release of [committed.release, ...(committed.older ?? [])]) await this.add(release);
  }

  /** Older releases have records of their own from now on, which alone count: a collector may remove them. */
  async settleOlder(): Promise<void> {
    for (;;) {
      const step = await this.#heads.current();
      if (!step?.committed?.older) return;
      await this.repair();
      const { head, release } = step.committed;
      if (await this.#heads.add(step.version, { head, release })) return;
    }
  }

  async read(number: number): Promise<Release | undefined> {
    const path = join(this.#folder, String(number));
    const text = await lookAgain(path, () => readFile(path, 'utf8'));
    if (text === undefined) {
      const { release, older = [] } = (await this.#heads.current())?.committed ?? {};
      return [release, ...older].find((each) => each?.number === number);
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
    const { release, older = [] } = (await this.#heads.current())?.committed ?? {};
    if (!release) return [];
    const newest = release.number;
    const there = new Set([...(await this.#there()), ...older.map(({ number }) => number)]);
    let first = newest;
    while (there.has(first - 1)) first--;
    return Array.from({ length: newest - first + 1 }, (_, at) => first + at);
  }

  async #there(): Promise<number[]> {
    return (await namesIn(this.#folder)).filter((name) => /^[1-9]\d{0,11}$/.test(name)).map(Number);
  }

  /**
   * Removes all but the newest, oldest first, so that what stays is always one line without gaps. What is added while this looks stays.
   * @param least it and what came after it stays too
   * @returns how many there were
   */
  async removeAllBut(keep: number, least = Number.POSITIVE_INFINITY): Promise<number> {
    const there = await this.#there();
    const head = (await this.#heads.current())?.committed?.head; // first: a rollout may go back to what it says
    const [newest = 0] = (await this.numbers()).slice(-Math.max(1, keep));
    const first = Math.min(newest, least, head ? standingRelease(head) : newest);
    const old = there.filter((number) => number < first).sort((a, b) => a - b);
    for (const number of old) await rm(join(this.#folder, String(number)), { force: true });
    await removeUnfinished(this.#folder);
    return old.length;
  }
}
