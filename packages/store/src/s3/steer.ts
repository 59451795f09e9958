import { headOf, type Rollout, sameHead } from '@quorate/model';
import { conflict, StoreError } from '../errors.ts';
import type { VersionedHead } from '../store.ts';
import { type Line, latestOf } from './lines.ts';

/** Collections, and answers that were lost, that may come in between before it is given up. */
const ROUNDS = 20;

/** Puts a step with another rollout in the place of one that still says the same. @throws StoreError CONFLICT, UNKNOWN_OUTCOME */
export async function steer(line: Line, from: VersionedHead, rollout: Rollout): Promise<VersionedHead> {
  const head = headOf({ number: from.release, digest: from.digest }, rollout);
  let lost: unknown;
  for (let round = 0; round < ROUNDS; round++) {
    const step = await line.current();
    const latest = latestOf(step);
    if (latest && sameHead(latest.head, head)) return latest.head;
    if (!step?.committed || !sameHead(latest?.head, from)) throw conflict(line.bundle, from.release, latest?.release);
    try {
      const next = await line.replace(step, { ...step.committed, head });
      if (next) return latestOf(next)!.head;
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'UNKNOWN_OUTCOME')) throw error;
      lost = error; // the next look tells
    }
  }
  const message = `the rollout of release ${from.release} of ${line.bundle} could not be changed: try again at a calmer time`;
  throw new StoreError(lost ? 'UNKNOWN_OUTCOME' : 'CONFLICT', message, { cause: lost });
}
