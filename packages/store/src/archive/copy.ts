import type { BlobRef, Release, Rollout } from '@quorate/model';
import { StoreError } from '../errors.ts';
import { contentsIn } from '../marking.ts';
import type { BlobSource, CallOptions, Latest, Store } from '../store.ts';

/** Releases whose content is brought in one call: where it breaks off, this much may be looked at again. */
const AT_ONCE = 64;

export interface CopyOptions extends CallOptions {
  /** it comes from the archive: taken in while publishers are not let in yet, and not waited for */
  readonly archived?: true;
  /** told whenever something was brought */
  readonly progress?: () => void;
}

/** Brings releases of one bundle from a store to another as they are. What is there already is left alone; every step may be repeated. */
export class Copying {
  readonly #from: Store;
  readonly #to: Store;
  readonly #options: CopyOptions;
  /** what each page of a manifest names: releases share most of them */
  readonly #pages = new Map<string, BlobRef[]>();

  constructor(from: Store, to: Store, options: CopyOptions = {}) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
  }

  /**
   * Makes a release the newest there, if the head there is still this one: content first, each verified against its hash.
   * @param rollout that of the head, where the release is the head's
   * @throws StoreError CONFLICT; NOT_FOUND or CORRUPT when the store that it comes from lacks content of it
   */
  async newest(release: Release, expected: Latest | undefined, rollout?: Rollout): Promise<Latest> {
    const parent = expected?.release;
    const known = parent?.number === release.number - 1 ? await this.#hashesOf(parent) : new Set<string>();
    const added = (await this.#heldBy(release)).filter(({ sha256 }) => !known.has(sha256));
    const publication = { release, expected: expected?.head, added, ...(rollout ? { rollout } : {}) };
    return this.#to.publish(publication, this.#options);
  }

  /**
   * Brings the history of a bundle, from where it ends there downwards.
   * @param keep so many releases at most, the newest counted; all unless given
   */
  async history(bundle: string, keep = Number.POSITIVE_INFINITY): Promise<void> {
    const [head, here, there] = await Promise.all([
      this.#to.latest(bundle, this.#signal),
      this.#from.releases(bundle, this.#signal),
      this.#to.releases(bundle, this.#signal),
    ]);
    if (!head) return;
    const from = oldestOf(head.release.number, here);
    const least = Math.max(from, head.release.number - keep + 1, 1);
    let next = oldestOf(head.release.number, there) - 1;
    const above = await this.#from.release(bundle, next + 1, this.#signal);
    const seen = above ? await this.#hashesOf(above) : new Set<string>();
    while (next >= least) {
      const releases: Release[] = [];
      const held: BlobSource[] = [];
      for (; next >= least && releases.length < AT_ONCE; next--) {
        this.#options.signal?.throwIfAborted();
        const release = await this.#from.release(bundle, next, this.#signal);
        if (!release) break; // collected since
        const fresh = (await this.#heldBy(release)).filter(({ sha256 }) => !seen.has(sha256));
        for (const { sha256 } of fresh) seen.add(sha256);
        releases.push(release);
        held.push(...fresh);
      }
      if (releases.length === 0) return;
      await this.#to.backfill({ bundle, releases, held }, this.#options);
    }
  }

  /** Hashes of what a release that is there already holds; nothing when it was collected here, so that all is looked at. */
  async #hashesOf(release: Release): Promise<Set<string>> {
    try {
      return new Set((await this.#heldBy(release)).map(({ sha256 }) => sha256));
    } catch (error) {
      if (error instanceof StoreError && error.code === 'NOT_FOUND') return new Set();
      throw error;
    }
  }

  async #heldBy({ pages }: Release): Promise<BlobSource[]> {
    const contents = await Promise.all(pages.map((page) => this.#contentsOf(page)));
    const refs = new Map([...pages, ...contents.flat()].map((ref) => [ref.sha256, ref]));
    return [...refs.values()].map(({ sha256, size }) => ({
      sha256,
      size,
      read: () => this.#from.blob({ sha256, size }, this.#signal),
    }));
  }

  async #contentsOf(page: BlobRef): Promise<BlobRef[]> {
    let contents = this.#pages.get(page.sha256);
    if (!contents) {
      contents = contentsIn(await this.#from.blob(page, this.#signal));
      this.#pages.set(page.sha256, contents);
    }
    return contents;
  }

  get #signal(): CallOptions {
    return this.#options.signal ? { signal: this.#options.signal } : {};
  }
}

/** The lowest number down to which a line has no gap. @param kept ascending */
export function oldestOf(newest: number, kept: readonly number[]): number {
  const there = new Set(kept);
  let oldest = newest;
  while (there.has(oldest - 1)) oldest--;
  return oldest;
}
