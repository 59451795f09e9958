import { dirname, join } from 'node:path';
import { decodeHead, decodeRelease, encodeHead, encodeRelease, type Head, type Release } from '@quorate/model';
import { checkNamed, recordError } from '../format.ts';
import type { Latest } from '../store.ts';
import { createFile, makeFolder, syncFolder } from './durable.ts';
import { NumberedFiles } from './numbered.ts';

/** One step of a bundle's line: the head as it was from then on, and the release that it names. */
export interface Step {
  readonly version: number;
  /** undefined while the first release is on its way */
  readonly committed: Committed | undefined;
}

export interface Committed {
  readonly head: Head;
  readonly release: Release;
  /** releases from further back that came with this step; each step after it may leave them out once they have records of their own */
  readonly older?: readonly Release[];
}

/** A bundle's line of heads, numbered files: release and head appear in one atomic step. */
export class Heads {
  readonly #files: NumberedFiles;
  readonly #bundle: string;

  constructor(root: string, bundle: string) {
    this.#bundle = bundle;
    this.#files = new NumberedFiles(join(root, 'bundles', bundle, 'heads'));
  }

  get folder(): string {
    return this.#files.folder;
  }

  /** @returns ascending; empty when the bundle is not there */
  versions(): Promise<number[]> {
    return this.#files.numbers();
  }

  async current(): Promise<Step | undefined> {
    const newest = await this.#files.newest();
    return newest && this.#decode(newest.number, newest.text);
  }

  /** @returns undefined when there is no such step, or none any more */
  async step(version: number): Promise<Step | undefined> {
    const text = await this.#files.read(version);
    return text === undefined ? undefined : this.#decode(version, text);
  }

  /** Whether a release was ever committed. What its records say does not matter. */
  async begun(): Promise<boolean> {
    return ((await this.#files.newest())?.text ?? '') !== '';
  }

  #decode(version: number, text: string): Step {
    if (text === '') return { version, committed: undefined };
    const [headText, releaseText, ...olderTexts] = text.replace(/\n$/, '').split('\n') as [string, string, ...string[]];
    const place = this.#files.path(version);
    const bundle = this.#bundle;
    try {
      const head = decodeHead(headText);
      const release = decodeRelease(releaseText ?? '');
      checkNamed(place, release, { bundle, number: head.release, digest: head.digest });
      const older = olderTexts.map((each) => decodeRelease(each));
      for (const each of older) checkNamed(place, each, { bundle, number: each.number });
      return { version, committed: { head, release, ...(older.length > 0 ? { older } : {}) } };
    } catch (error) {
      throw recordError(place, error) ?? error;
    }
  }

  /** The line begins: from now on a collector sees the bundle, so that its fence covers a first publisher too. */
  async begin(): Promise<void> {
    await makeFolder(this.folder);
    await createFile(this.#files.path(0), Buffer.alloc(0));
    // somebody else may have made these a moment ago, and died before they were durable
    for (const folder of [this.folder, dirname(this.folder), dirname(dirname(this.folder))]) await syncFolder(folder);
  }

  /**
   * Adds the next step after `version`.
   * @returns false when somebody else did first, or when so many steps were added since that it cannot be told
   */
  add(version: number, committed: Step['committed']): Promise<boolean> {
    const bytes = committed
      ? Buffer.concat([
          encodeHead(committed.head),
          ...[committed.release, ...(committed.older ?? [])].map(encodeRelease),
        ])
      : Buffer.alloc(0);
    return this.#files.add(version, bytes);
  }

  prune(): Promise<void> {
    return this.#files.prune();
  }
}

export function latestOf(step: Step | undefined): Latest | undefined {
  return step?.committed
    ? { head: { ...step.committed.head, version: String(step.version) }, release: step.committed.release }
    : undefined;
}
