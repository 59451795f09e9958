import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeRelease, encodeRelease, ModelError, type Release } from '@quorate/model';
import { StoreError } from '../errors.ts';
import { createFile, isMissing, makeFolder } from './durable.ts';
import type { Heads } from './heads.ts';

/** The records of a bundle's releases, for history: copies of what the heads committed. */
export class Releases {
  readonly #folder: string;
  readonly #heads: Heads;

  constructor(root: string, bundle: string, heads: Heads) {
    this.#folder = join(root, 'bundles', bundle, 'releases');
    this.#heads = heads;
  }

  async add(release: Release): Promise<void> {
    await makeFolder(this.#folder);
    await createFile(join(this.#folder, String(release.number)), encodeRelease(release));
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
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if (!isMissing(error)) throw error;
      const newest = (await this.#heads.current())?.committed?.release;
      return newest?.number === number ? newest : undefined;
    }
    try {
      return decodeRelease(text);
    } catch (cause) {
      if (cause instanceof ModelError && cause.code === 'NEWER_FORMAT')
        throw new StoreError('NEWER_FORMAT', cause.message, { cause });
      throw new StoreError('CORRUPT', `${path} cannot be read: ${(cause as Error).message}`, { cause });
    }
  }

  /** @returns ascending */
  async numbers(): Promise<number[]> {
    let names: string[] = [];
    try {
      names = await readdir(this.#folder);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    const numbers = new Set(names.filter((name) => /^[1-9]\d*$/.test(name)).map(Number));
    const newest = (await this.#heads.current())?.committed?.release.number;
    if (newest !== undefined) numbers.add(newest);
    return [...numbers].sort((a, b) => a - b);
  }

  async remove(number: number): Promise<void> {
    await rm(join(this.#folder, String(number)), { force: true });
  }
}
