import * as v from 'valibot';
import { decodeRecord, encodeRecord, positive } from '../codec.ts';

export const FOUNDING_FORMAT = 1;

/** Who founds, or founded: one data directory on one machine. */
export interface Founder {
  readonly instance: string;
  readonly incarnation: string;
  /** where its agent is reached by the others */
  readonly address: string;
}

/** The arbiter's one small record: who may found or re-found a cluster's ensemble. Each change of it is a compare-and-set. */
export interface FoundingRecord {
  readonly format: number;
  readonly cluster: string;
  /** counts foundings from 1; members of an older generation stay down */
  readonly generation: number;
  /** counts writes from 1, so that no two versions have the same bytes: a promise names the one that it was given for */
  readonly revision: number;
  readonly founder: Founder;
  /** `founding` until the founder's member serves: nobody else writes or joins before it is `founded` */
  readonly state: 'founding' | 'founded';
  /**
   * Instances that may have data of the cluster, each with the newest generation that it may have data of: one is entered before it is made a
   * member, and goes only when it is known to be terminated. What none of them has, nobody has.
   */
  readonly members: Readonly<Record<string, number>>;
}

const text = v.pipe(v.string(), v.nonEmpty());
const RecordSchema = v.object({
  format: v.number(),
  cluster: text,
  generation: positive,
  revision: positive,
  founder: v.object({ instance: text, incarnation: text, address: v.string() }),
  state: v.picklist(['founding', 'founded']),
  members: v.record(text, positive),
});

export const encodeFounding = (record: FoundingRecord): Buffer => encodeRecord(record);

/** @throws ModelError BAD_RECORD or NEWER_FORMAT */
export function decodeFounding(bytes: Uint8Array | string): FoundingRecord {
  return decodeRecord("the arbiter's record", FOUNDING_FORMAT, RecordSchema, bytes);
}
