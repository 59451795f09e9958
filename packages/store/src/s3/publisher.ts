import { headOf, type Release } from '@quorate/model';
import { baseOf, inRounds } from '../commit.ts';
import { StoreError } from '../errors.ts';
import type { CallOptions, Latest, Publication, UploadProgress } from '../store.ts';
import type { Blobs } from './blobs.ts';
import { type Line, latestOf, type Step } from './lines.ts';

type Options = CallOptions & { readonly progress?: UploadProgress };

/** Publishes into one bundle's line: content first, then the next step, which only one can put in the place of the one before. */
export class Publisher {
  readonly #line: Line;
  readonly #blobs: Blobs;
  readonly #publication: Publication;

  /** @param line begun, where this is a bundle's first release */
  constructor(line: Line, blobs: Blobs, publication: Publication) {
    this.#line = line;
    this.#blobs = blobs;
    this.#publication = publication;
  }

  async publish({ signal, progress }: Options): Promise<Latest> {
    return inRounds(
      () => this.#base(),
      async (step) => {
        const { committed } = step;
        const writing = this.#blobs.write(this.#publication.added, signal, progress);
        await Promise.all([writing, committed && this.#line.record(committed)]);
        signal?.throwIfAborted();
        return this.#commit(step);
      },
    );
  }

  #base(): ReturnType<typeof baseOf<Step>> {
    return baseOf(this.#line, this.#publication);
  }

  async #commit(from: Step): Promise<Latest | undefined> {
    const { release, rollout } = this.#publication;
    const { committed } = from;
    // what a restore left out is no part of the line until it is filled in from above
    const follows = committed?.release.number === release.number - 1;
    const first = follows ? committed.first : release.number;
    const { head: _head, release: _release, older: _older, ...rest } = committed ?? {};
    let step: Step | undefined;
    try {
      step = await this.#line.replace(from, { ...rest, head: headOf(release, rollout), release, first });
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'UNKNOWN_OUTCOME')) throw error;
      return this.#settle(error);
    }
    if (!step) return undefined;
    await this.#line.record({ release }).catch(() => undefined); // it stands; its record is a copy, which the next publisher writes
    return latestOf(step);
  }

  /** @throws StoreError CONFLICT, UNKNOWN_OUTCOME */
  async #settle(lost: StoreError): Promise<Latest> {
    const { release } = this.#publication;
    try {
      const base = await this.#base();
      if ('done' in base) return base.done;
      if ((base.step.committed?.first ?? 0) <= release.number) throw unknownOutcome(release, lost);
    } catch (error) {
      // a conflict is certain while the release of this number is there to be seen
      const isKept = async (): Promise<boolean> => (await this.#line.release(release.number)) !== undefined;
      if (error instanceof StoreError && error.code === 'CONFLICT' && (await isKept().catch(() => false))) throw error;
    }
    throw unknownOutcome(release, lost);
  }
}

function unknownOutcome({ number, bundle }: Release, cause: unknown): StoreError {
  const message = `S3 failed while release ${number} of ${bundle} was published, and whether it stands could not be found out: look at its history, or publish the same again`;
  return new StoreError('UNKNOWN_OUTCOME', message, { cause });
}
