import { type Head, headOf, type Release, type Rollout, sameHead } from '@quorate/model';
import { conflict, StoreError } from './errors.ts';
import type { Latest, Publication, VersionedHead } from './store.ts';

/** A step of a line, whose first one has no release yet. */
interface AnyStep {
  readonly committed: { readonly head: Head; readonly release: Release } | undefined;
}

/** A bundle's line of releases, as a publisher sees it. */
export interface PublishedLine<Step extends AnyStep> {
  readonly bundle: string;
  /** @returns undefined when the line has not begun */
  current(): Promise<Step | undefined>;
  release(number: number): Promise<Release | undefined>;
  latestOf(step: Step): Latest | undefined;
  /**
   * Puts the next step after `from`.
   * @returns undefined when somebody else did first
   * @throws StoreError UNKNOWN_OUTCOME
   */
  replace(from: Step, to: Step['committed']): Promise<Step | undefined>;
  /** Makes sure that a step which somebody else may have made, and died, is durable. */
  sync(): Promise<void>;
}

/** The step to build on, or the outcome where this very publication stands already. */
export type Base<Step> = { readonly step: Step } | { readonly done: Latest };

/** Collections, and answers that were lost, that may come in between before it is given up. */
const ROUNDS = 100;

/**
 * Again and again until it stands, or another release does: a collector's fence makes an attempt fail too.
 * @param attempt verifies the content and commits; undefined when the step to build on is another one now
 * @throws StoreError CONFLICT, UNKNOWN_OUTCOME
 */
export async function inRounds<Step>(
  base: () => Promise<Base<Step>>,
  attempt: (step: Step) => Promise<Latest | undefined>,
): Promise<Latest> {
  for (let round = 0; round < ROUNDS; round++) {
    const found = await base();
    if ('done' in found) return found.done;
    const latest = await attempt(found.step);
    if (latest) return latest; // else a fence or a winner: look which
  }
  throw new StoreError(
    'CONFLICT',
    'collections of old blobs came in between again and again: publish again at a calmer time',
  );
}

/** @throws StoreError CONFLICT */
export async function baseOf<Step extends AnyStep>(
  line: PublishedLine<Step>,
  { release, expected, rollout }: Publication,
): Promise<Base<Step>> {
  const step = await line.current();
  const now = step?.committed;
  if (now?.release.id === release.id) return { done: line.latestOf(step!)! };
  // a fence makes it another step and keeps the release: the base is still the base
  if (step && sameHead(now?.head, expected)) return { step };
  if ((await line.release(release.number))?.id === release.id) {
    // it stands, and others came after it: no version that could pass for the head's
    return { done: { head: { ...headOf(release, rollout), version: 'overtaken' }, release } };
  }
  throw conflict(release.bundle, expected?.release, now?.release);
}

/**
 * Puts another rollout into a head that still says the same.
 * @throws StoreError CONFLICT, UNKNOWN_OUTCOME
 */
export async function steer<Step extends AnyStep>(
  line: PublishedLine<Step>,
  from: VersionedHead,
  rollout: Rollout,
): Promise<VersionedHead> {
  const head = headOf({ number: from.release, digest: from.digest }, rollout);
  let lost: unknown;
  for (let round = 0; round < ROUNDS; round++) {
    const step = await line.current();
    const latest = step && line.latestOf(step);
    if (latest && sameHead(latest.head, head)) {
      await line.sync();
      return latest.head;
    }
    if (!step?.committed || !sameHead(latest?.head, from)) throw conflict(line.bundle, from.release, latest?.release);
    try {
      const next = await line.replace(step, { ...step.committed, head });
      if (next) return line.latestOf(next)!.head;
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'UNKNOWN_OUTCOME')) throw error;
      lost = error; // the next look tells
    }
  }
  const message = `the rollout of release ${from.release} of ${line.bundle} could not be changed: try again at a calmer time`;
  throw new StoreError(lost ? 'UNKNOWN_OUTCOME' : 'CONFLICT', message, { cause: lost });
}
