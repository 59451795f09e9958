import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { decodeHead, decodeRelease, encodeHead, encodeRelease, type Head, type Release } from '@quorate/model';
import { StoreError } from '../errors.ts';
import { checkNamed, recordError } from '../format.ts';
import type { Latest } from '../store.ts';
import { createFile, lookAgain, makeFolder, namesIn, removeUnfinished, syncFolder } from './durable.ts';

/** Heads that stay, newest first. A publisher that slept through this many commits must not think that it won. */
export const HEADS_KEPT = 1000;
const DIGITS = 12;
/** Looks at the newest step, which others may be removing, before the folder counts as damaged. */
const LOOKS = 100;

/** One step of a bundle's line: the head as it was from then on, and the release that it names. */
export interface Step {
  readonly version: number;
  /** undefined while the first release is on its way */
  readonly committed: { readonly head: Head; readonly release: Release } | undefined;
}

/**
 * A bundle's line of heads: files `heads/000000000001`, `…2`, each written once. The one with the greatest number is the head, and creating
 * the next number is the compare-and-set: release and head appear in one atomic step.
 */
export class Heads {
  readonly #folder: string;
  readonly #bundle: string;

  constructor(root: string, bundle: string) {
    this.#bundle = bundle;
    this.#folder = join(root, 'bundles', bundle, 'heads');
  }

  get folder(): string {
    return this.#folder;
  }

  path(version: number): string {
    return join(this.#folder, String(version).padStart(DIGITS, '0'));
  }

  /** @returns ascending; empty when the bundle is not there */
  async versions(): Promise<number[]> {
    return (await namesIn(this.#folder))
      .filter((name) => /^\d{12}$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  }

  async current(): Promise<Step | undefined> {
    const newest = await this.#newest();
    return newest && this.#decode(newest.version, newest.text);
  }

  /** Whether a release was ever committed. What its records say does not matter. */
  async begun(): Promise<boolean> {
    return ((await this.#newest())?.text ?? '') !== '';
  }

  async #newest(): Promise<{ version: number; text: string } | undefined> {
    for (let look = 0; look < LOOKS; look++) {
      const version = (await this.versions()).at(-1);
      if (version === undefined) return undefined;
      const path = this.path(version);
      const text = await lookAgain(path, () => readFile(path, 'utf8'));
      if (text !== undefined) return { version, text }; // else it was pruned since: there are newer ones
    }
    throw new StoreError('CORRUPT', `the newest file of ${this.#folder} is listed and cannot be opened`);
  }

  #decode(version: number, text: string): Step {
    if (text === '') return { version, committed: undefined };
    const end = text.indexOf('\n');
    const place = this.path(version);
    try {
      const head = decodeHead(text.slice(0, end));
      const release = decodeRelease(text.slice(end + 1));
      checkNamed(place, release, { bundle: this.#bundle, number: head.release, digest: head.digest });
      return { version, committed: { head, release } };
    } catch (error) {
      throw recordError(place, error) ?? error;
    }
  }

  /** The line begins: from now on a collector sees the bundle, so that its fence covers a first publisher too. */
  async begin(): Promise<void> {
    await makeFolder(this.#folder);
    await createFile(this.path(0), Buffer.alloc(0));
    // somebody else may have made these a moment ago, and died before they were durable
    for (const folder of [this.#folder, dirname(this.#folder), dirname(dirname(this.#folder))])
      await syncFolder(folder);
  }

  /**
   * Adds the next step after `version`.
   * @returns false when somebody else did first, or when so many steps were added since that it cannot be told
   */
  async add(version: number, committed: Step['committed']): Promise<boolean> {
    const next = version + 1;
    const bytes = committed
      ? Buffer.concat([encodeHead(committed.head), encodeRelease(committed.release)])
      : Buffer.alloc(0);
    if (!(await createFile(this.path(next), bytes))) return false;
    const newest = (await this.versions()).at(-1) ?? next;
    if (newest < next + HEADS_KEPT) return true;
    await rm(this.path(next), { force: true }); // the number may have been used and pruned long ago
    return false;
  }

  /** Removes what nobody needs: steps long passed, and what writers who died left. */
  async prune(): Promise<void> {
    const versions = await this.versions();
    for (const version of versions.slice(0, -HEADS_KEPT)) await rm(this.path(version), { force: true });
    await removeUnfinished(this.#folder);
  }
}

export function latestOf(step: Step | undefined): Latest | undefined {
  return step?.committed
    ? { head: { ...step.committed.head, version: String(step.version) }, release: step.committed.release }
    : undefined;
}
