import { headOf, type Release, sameHead } from '@quorate/model';
import { conflict, StoreError } from '../errors.ts';
import type { CallOptions, Latest, Publication, UploadProgress } from '../store.ts';
import type { Blobs } from './blobs.ts';
import { type Line, latestOf, type Step } from './lines.ts';

/** Collections that may come in between before a publisher gives up. */
const ROUNDS = 100;

type Options = CallOptions & { readonly progress?: UploadProgress };

/** The step to build on, or the outcome where this very publication stands already. */
type Base = { readonly step: Step } | { readonly done: Latest };

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
    const { added } = this.#publication;
    for (let round = 0; round < ROUNDS; round++) {
      const base = await this.#base();
      if ('done' in base) return base.done;
      const { committed } = base.step;
      await Promise.all([this.#blobs.write(added, signal, progress), committed && this.#line.record(committed)]);
      signal?.throwIfAborted();
      const latest = await this.#commit(base.step);
      if (latest) return latest; // else a fence or a winner: look which
    }
    throw new StoreError(
      'CONFLICT',
      'collections of old blobs came in between again and again: publish again at a calmer time',
    );
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

  /** @throws StoreError CONFLICT */
  async #base(): Promise<Base> {
    const { release, expected } = this.#publication;
    const step = await this.#line.current();
    const now = step?.committed;
    if (now?.release.id === release.id) return { done: latestOf(step)! };
    // a fence moves the mark and keeps the release: the base is still the base
    if (step && sameHead(now?.head, expected)) return { step };
    if (now && (await this.#line.release(release.number))?.id === release.id) {
      // it stands, and others came after it: no version that could pass for the head's
      return { done: { head: { ...headOf(release, this.#publication.rollout), version: 'overtaken' }, release } };
    }
    throw conflict(release.bundle, expected?.release, now?.release);
  }
}

function unknownOutcome({ number, bundle }: Release, cause: unknown): StoreError {
  const message = `S3 failed while release ${number} of ${bundle} was published, and whether it stands could not be found out: look at its history, or publish the same again`;
  return new StoreError('UNKNOWN_OUTCOME', message, { cause });
}
