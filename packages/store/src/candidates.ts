import type { OfferedRelease, Release, Verdict, VoteAnswer } from '@quorate/model';
import type { CallOptions, Latest, Publication, PublicationOptions, UploadProgress } from './store.ts';

/** What an instance says of a candidate; `pass`: it does not run the bundle. */
export type Vote = Verdict | 'pass';

export interface OfferOptions extends CallOptions {
  readonly progress?: UploadProgress;
  /** only to hear what the fleet says of it: it is never committed */
  readonly plan?: true;
}

/** How a vote stands at one moment. */
export interface Ballot {
  /** instances that show a status */
  readonly live: ReadonlySet<string>;
  readonly answers: ReadonlyMap<string, VoteAnswer>;
}

/**
 * Releases that are offered to the fleet before the head moves. A bundle has one candidate at most, which is also the lock of its publishers; it
 * goes with the session of who offered it. Only stores with sessions can tell who lives, so only they have this.
 */
export interface Candidates {
  /**
   * Stores what is missing and shows the candidate. Until it is over, its content is not collected.
   * @throws StoreError OFFERED when another one stands; CONFLICT when the head is not `expected` any more; NOT_OPEN, NOT_ARCHIVED
   */
  offer(publication: Publication, options?: OfferOptions): Promise<Offer>;

  /** The candidate that stands now. Repeatable. */
  standing(bundle: string, options?: CallOptions): Promise<OfferedRelease | undefined>;

  /** Waits until another candidate than this one stands, or none. Repeatable. */
  over(release: Release, options?: CallOptions): Promise<void>;

  /** Answers for an instance. Repeatable: the first answer counts. @returns whether it is still asked for */
  vote(release: Release, instance: string, vote: Vote, options?: CallOptions): Promise<boolean>;
}

/** A candidate of one's own. When it is disposed of, it is withdrawn unless it was committed, and its votes are cleared away. */
export interface Offer extends AsyncDisposable {
  readonly release: Release;

  /**
   * How the vote stands: now, and again whenever that may have changed. Endless.
   * @throws StoreError WITHDRAWN when the session is over, and the candidate with it
   */
  ballots(options?: CallOptions): AsyncIterable<Ballot>;

  /** What an instance said. Repeatable. @throws StoreError NOT_FOUND when it has not answered */
  verdict(instance: string, options?: CallOptions): Promise<Vote>;

  /**
   * In one atomic step: that the candidate still stands, the release, the head, and the candidate's end.
   * @throws StoreError WITHDRAWN when it stands no more, else as `publish` does
   */
  commit(options?: PublicationOptions): Promise<Latest>;
}
