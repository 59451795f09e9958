import { headOf, type Release } from '@quorate/model';
import { type Base, baseOf, inRounds } from '../commit.ts';
import { StoreError } from '../errors.ts';
import type { CallOptions, Latest, Publication, UploadProgress } from '../store.ts';
import type { Blobs } from './blobs.ts';
import { isLost } from './errors.ts';
import { latestOf, type Step } from './heads.ts';
import type { Line } from './line.ts';
import { STEPS_KEPT } from './numbered.ts';

type Options = CallOptions & { readonly progress?: UploadProgress };

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
    return inRounds(
      async () => {
        const base = await this.#base();
        return 'done' in base ? { done: await this.#acknowledge(base.done) } : base;
      },
      async (step) => {
        await releases.repair();
        await this.#blobs.write(added, signal, progress);
        signal?.throwIfAborted();
        this.#tried ??= step.version;
        return this.#commit(step);
      },
    );
  }

  async #commit(from: Step): Promise<Latest | undefined> {
    const { release, rollout } = this.#publication;
    let step: Step | undefined;
    try {
      step = await this.#line.replace(from, { head: headOf(release, rollout), release });
    } catch (error) {
      return this.#settle(error);
    }
    if (!step) return undefined;
    await this.#line.releases.add(release).catch(() => undefined); // it stands; its record is a copy, which the next publisher repairs
    return latestOf(step);
  }

  /**
   * What became of a step that failed: over a network it may have been done, with only the answer lost.
   * @throws StoreError CONFLICT, UNKNOWN_OUTCOME, or the error itself where nothing was done
   */
  async #settle(error: unknown): Promise<Latest> {
    const call = (error as NodeJS.ErrnoException).syscall;
    let base: Base<Step>;
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
      await this.#line.sync();
      return done;
    } catch (error) {
      throw unknownOutcome(this.#publication.release, error);
    }
  }

  /** @throws StoreError CONFLICT, UNKNOWN_OUTCOME */
  async #base(): Promise<Base<Step>> {
    try {
      return await baseOf(this.#line, this.#publication);
    } catch (error) {
      const { version = 0 } = (await this.#line.current()) ?? {};
      const hasSlept = this.#tried !== undefined && version - this.#tried > STEPS_KEPT;
      if (!hasSlept || !(error instanceof StoreError && error.code === 'CONFLICT')) throw error;
      const { number, bundle } = this.#publication.release;
      const message = `this machine slept while release ${number} of ${bundle} was published, and whether it stood for a time can't be told any more`;
      throw new StoreError('UNKNOWN_OUTCOME', message);
    }
  }
}

function unknownOutcome({ number, bundle }: Release, cause: unknown): StoreError {
  const message = `the folder failed while release ${number} of ${bundle} was published (${(cause as Error).message}), and whether it stands for good could not be found out: look at its history, or publish the same again`;
  return new StoreError('UNKNOWN_OUTCOME', message, { cause });
}
