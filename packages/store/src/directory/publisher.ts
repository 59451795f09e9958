import { headOf, type Release, sameHead } from '@quorate/model';
import { conflict, StoreError } from '../errors.ts';
import type { CallOptions, Latest, Publication, UploadProgress } from '../store.ts';
import type { Blobs } from './blobs.ts';
import type { Line } from './collect.ts';
import { syncFolder } from './durable.ts';
import { isLost } from './errors.ts';
import { latestOf } from './heads.ts';
import { STEPS_KEPT } from './numbered.ts';

/** A publisher whose blobs were set aside by a collector verifies them again this often. */
const FENCED_ROUNDS = 100;

type Options = CallOptions & { readonly progress?: UploadProgress };

/** The step to build on, or the outcome where this very publication stands already. */
type Base = { readonly version: number } | { readonly done: Latest };

/** Publishes into one bundle's line: blobs first, then the next head, whose name only one can take. */
export class Publisher {
  readonly #line: Line;
  readonly #blobs: Blobs;
  readonly #publication: Publication;
  /** the version that the first attempt was based on */
  #tried: number | undefined;

  constructor(line: Line, blobs: Blobs, publication: Publication) {
    this.#line = line;
    this.#blobs = blobs;
    this.#publication = publication;
  }

  async publish({ signal, progress }: Options): Promise<Latest> {
    const { heads, releases } = this.#line;
    const { expected, added } = this.#publication;
    if (!expected) await heads.begin();
    for (let round = 0; round < FENCED_ROUNDS; round++) {
      const base = await this.#base();
      if ('done' in base) return this.#acknowledge(base.done);
      await releases.repair();
      await this.#blobs.write(added, signal, progress);
      signal?.throwIfAborted();
      this.#tried ??= base.version;
      const latest = await this.#commit(base.version);
      if (latest) return latest; // else a fence or a winner: look which
    }
    throw new StoreError(
      'CONFLICT',
      'collections of old blobs came in between again and again: publish again at a calmer time',
    );
  }

  async #commit(version: number): Promise<Latest | undefined> {
    const { heads, releases } = this.#line;
    const { release, rollout } = this.#publication;
    const head = headOf(release, rollout);
    try {
      if (!(await heads.add(version, { head, release }))) return undefined;
    } catch (error) {
      return this.#settle(error);
    }
    await releases.add(release).catch(() => undefined); // it stands; its record is a copy, which the next publisher repairs
    return { head: { ...head, version: String(version + 1) }, release };
  }

  /**
   * What became of a step that failed: over a network it may have been done, with only the answer lost.
   * @throws StoreError CONFLICT, UNKNOWN_OUTCOME, or the error itself where nothing was done
   */
  async #settle(error: unknown): Promise<Latest> {
    const call = (error as NodeJS.ErrnoException).syscall;
    let base: Base;
    try {
      base = await this.#base();
    } catch (found) {
      if (found instanceof StoreError && found.code === 'CONFLICT') throw found;
      throw unknownOutcome(this.#publication.release, error);
    }
    if ('done' in base) {
      if (call !== 'fsync') return this.#acknowledge(base.done);
      throw unknownOutcome(this.#publication.release, error); // it is there, and a second fsync would not tell the truth
    }
    // the answer to a link may be lost before the link is made
    throw call === 'link' && isLost(error) ? unknownOutcome(this.#publication.release, error) : error;
  }

  /** It may stand by another process that died before it was durable. */
  async #acknowledge(done: Latest): Promise<Latest> {
    try {
      await syncFolder(this.#line.heads.folder);
      return done;
    } catch (error) {
      throw unknownOutcome(this.#publication.release, error);
    }
  }

  /** @throws StoreError CONFLICT, UNKNOWN_OUTCOME */
  async #base(): Promise<Base> {
    const { heads, releases } = this.#line;
    const { release, expected, rollout } = this.#publication;
    const step = await heads.current();
    const now = step?.committed;
    if (now?.release.id === release.id) return { done: latestOf(step)! };
    if ((await releases.read(release.number))?.id === release.id) {
      // it stands, and others came after it: no version that could pass for the head's
      return { done: { head: { ...headOf(release, rollout), version: 'overtaken' }, release } };
    }
    // a fence bumps the version and keeps the release: the base is still the base
    if (step && sameHead(now?.head, expected)) return { version: step.version };
    if (this.#tried !== undefined && step && step.version - this.#tried > STEPS_KEPT) {
      const message = `this machine slept while release ${release.number} of ${release.bundle} was published, and whether it stood for a time can't be told any more`;
      throw new StoreError('UNKNOWN_OUTCOME', message);
    }
    throw conflict(release.bundle, expected?.release, now?.release);
  }
}

function unknownOutcome({ number, bundle }: Release, cause: unknown): StoreError {
  const message = `the folder failed while release ${number} of ${bundle} was published (${(cause as Error).message}), and whether it stands for good could not be found out: look at its history, or publish the same again`;
  return new StoreError('UNKNOWN_OUTCOME', message, { cause });
}
