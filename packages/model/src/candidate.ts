import * as v from 'valibot';
import { decodeRecord, encodeRecord } from './codec.ts';
import { decodeRelease, type Release } from './release.ts';

export const CANDIDATE_FORMAT = 1;

/** A release that is offered to the fleet before the head moves. */
export interface OfferedRelease {
  readonly release: Release;
  /** offered only to hear what the fleet says of it */
  readonly plan?: true;
}

const CandidateSchema = v.object({
  format: v.number(),
  release: v.record(v.string(), v.unknown()),
  plan: v.optional(v.literal(true)),
});

export const encodeCandidate = ({ release, plan }: OfferedRelease): Buffer =>
  encodeRecord({ format: CANDIDATE_FORMAT, release, ...(plan ? { plan } : {}) });

/** @throws ModelError BAD_RECORD or NEWER_FORMAT, of the candidate or of its release */
export function decodeCandidate(bytes: Uint8Array | string): OfferedRelease {
  const { release, plan } = decodeRecord('the candidate', CANDIDATE_FORMAT, CandidateSchema, bytes);
  return { release: decodeRelease(JSON.stringify(release)), ...(plan ? { plan } : {}) };
}
