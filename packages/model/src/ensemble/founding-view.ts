import type { FoundingRecord } from './founding-record.ts';
import type { PeerState } from './peer.ts';

/** A machine's answer, and where it was reached. */
export interface PeerAnswer extends PeerState {
  readonly address: string;
}

/** What one machine knows when it decides whether it founds an ensemble. The arbiter is read before the peers are asked. */
export interface FoundingView {
  /** this machine: what it would answer itself */
  readonly own: PeerAnswer;
  /** `unknown`: out of reach, or not asked. `static`: none is set, and the operator's word on this machine stands for one */
  readonly arbiter:
    | { readonly kind: 'shared' | 'static'; readonly record: FoundingRecord | undefined }
    | { readonly kind: 'unknown' };
  /** whether this machine may be the first of its cluster, which one that was let in by another is not */
  readonly mayFound: boolean;
  /** why no member can run here, as without Java */
  readonly hindered?: string;
  /** what the discovery lists; undefined while it is out of reach */
  readonly peers:
    | readonly { readonly address: string; readonly instance?: string; readonly state?: 'live' | 'terminated' }[]
    | undefined;
  /** other machines of the cluster that have answered just now */
  readonly answers: readonly PeerAnswer[];
  /** an ensemble serves this machine as a client */
  readonly session: boolean;
}

/** What is known when an operator founds again by hand. */
export type RecoveryView = Pick<FoundingView, 'own' | 'peers' | 'answers'>;

/** What a machine does now, with the reason in words. */
export type FoundingStep =
  | { readonly kind: 'wait'; readonly reason: string }
  /** an ensemble serves: `planMembership` tells the rest */
  | { readonly kind: 'follow'; readonly reason: string }
  /** no member of its own yet: an ensemble is looked for at these addresses */
  | { readonly kind: 'join'; readonly through: readonly string[]; readonly reason: string }
  /** the member runs, or is started, as its data says; an older promise is over */
  | { readonly kind: 'start'; readonly reason: string }
  /** the member is stopped, its data kept */
  | { readonly kind: 'stay-down'; readonly reason: string }
  /** the data is of no more use: moved aside, and the machine is another incarnation from here on */
  | { readonly kind: 'renew'; readonly reason: string }
  /** the arbiter's record is replaced by this one, if it is still the one that was read */
  | { readonly kind: 'claim' | 'confirm' | 'withdraw'; readonly record: FoundingRecord; readonly reason: string }
  /** the member starts with its data, if it has any, and a configuration that names only itself; its generation is noted before. Repeatable */
  | { readonly kind: 'found'; readonly generation: number; readonly reason: string }
  /** it is noted durably that the member stays down for this version of the record, then the member is stopped, and only then is it told */
  | {
      readonly kind: 'promise';
      readonly promised: { readonly generation: number; readonly revision: number };
      readonly reason: string;
    };
