import type {
  AuditEntry,
  AuditRecord,
  BlobRef,
  ClockExchange,
  Head,
  InstanceStatus,
  Release,
  Rollout,
  Tag,
} from '@quorate/model';
import type { AuditRange } from './audit.ts';
import type { Candidates } from './candidates.ts';
import type { Ensemble } from './ensemble.ts';

/** What an adapter can do beyond reading and writing; whoever uses it asks here instead of guessing. */
export interface Capabilities {
  /** `changes` is told of a change at once; otherwise it polls */
  readonly events: boolean;
  /** an instance's status goes away by itself when the instance does */
  readonly sessions: boolean;
}

/** A bundle's head with the version that a compare-and-set needs. */
export interface VersionedHead extends Head {
  /** opaque, of the adapter; only ever compared for being the same */
  readonly version: string;
}

/** The tags of a bundle with the version that a compare-and-set needs. */
export interface VersionedTags {
  /** in the order of their names */
  readonly tags: readonly Tag[];
  /** as a head's; undefined where none were ever set */
  readonly version?: string;
}

/** A head together with the release it names: what an instance needs to know about a bundle. */
export interface Latest {
  readonly head: VersionedHead;
  readonly release: Release;
}

/** Content to be stored; read when the store has not got it, or where sending it costs less than asking. */
export interface BlobSource extends BlobRef {
  read(): Promise<Uint8Array>;
}

export interface Publication {
  /** the next release, as `draftRelease` made it */
  readonly release: Release;
  /** the head it was made from; undefined for a bundle's first release */
  readonly expected: VersionedHead | undefined;
  /** what the parent does not hold: pages and contents. All of it is in the store before the head moves. */
  readonly added: readonly BlobSource[];
  /** how the fleet moves to it; at once where absent */
  readonly rollout?: Rollout;
}

/** Older releases of a bundle, as a restore brings them back below the newest. */
export interface Backfill {
  readonly bundle: string;
  /** newest first, without gaps; the first is kept already, or is the one below the oldest that is */
  readonly releases: readonly Release[];
  /** their pages and contents, but for those that the kept releases above them hold: what the store lacks is written */
  readonly held: readonly BlobSource[];
}

/** How a publication is made. */
export interface PublicationOptions extends CallOptions {
  readonly progress?: UploadProgress;
  /** it comes from the archive of the store's ensemble: taken in while publishers are not let in yet, and not waited for */
  readonly archived?: boolean;
}

/** Told while a publication uploads. */
export type UploadProgress = (done: { blobs: number; bytes: number }, all: { blobs: number; bytes: number }) => void;

/** A reason to look again. Level-triggered: it may be doubled or late, and says nothing about how often something changed. */
export type StoreChange =
  | { readonly kind: 'bundles' } // bundles came or went
  | { readonly kind: 'head'; readonly bundle: string }
  /** `stands`: there was one when it was looked */
  | { readonly kind: 'candidate'; readonly bundle: string; readonly stands: boolean }
  | { readonly kind: 'reachable' } // the store is back: look at everything
  | { readonly kind: 'unreachable'; readonly error: Error };

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface Retention {
  /** the newest releases of each bundle that stay, at least 1; the head's release always stays */
  readonly keep: number;
}

export interface Collected {
  readonly releases: number;
  readonly blobs: number;
  readonly bytes: number;
}

/**
 * Where releases live. Every method may throw StoreError UNREACHABLE, NOT_ALLOWED, CORRUPT, NEWER_FORMAT, or the signal's reason;
 * what else it throws, and whether it may be repeated, stands with it. Nothing is created before the first write.
 */
export interface Store extends AsyncDisposable {
  /** as given, without secrets */
  readonly url: string;
  readonly capabilities: Capabilities;
  /** what keeps the store alive, where that is an ensemble of the fleet's own machines */
  readonly ensemble?: Ensemble;
  /** releases that are offered to the instances before the head moves, where the store can tell who lives */
  readonly candidates?: Candidates;

  /** Names of all bundles that have a head, in byte order. Repeatable. */
  bundles(options?: CallOptions): Promise<string[]>;

  /** The head of a bundle and its release, read so that both belong together; undefined when there is no such bundle. Repeatable. */
  latest(bundle: string, options?: CallOptions): Promise<Latest | undefined>;

  /** One release's record; undefined when it was never there or was collected. Repeatable. */
  release(bundle: string, number: number, options?: CallOptions): Promise<Release | undefined>;

  /** Numbers of the releases that are kept, ascending. Repeatable. */
  releases(bundle: string, options?: CallOptions): Promise<number[]>;

  /** The names that releases of a bundle have. Repeatable. */
  tags(bundle: string, options?: CallOptions): Promise<VersionedTags>;

  /**
   * Sets all tags of a bundle. A collection leaves alone what they protect; one that removes at this very moment may not know of
   * them yet where the store has no transactions: look afterwards whether the release is there.
   * @param version as it was read
   * @returns false when others have changed them since
   * @throws StoreError UNKNOWN_OUTCOME
   */
  replaceTags(
    bundle: string,
    tags: readonly Tag[],
    version: string | undefined,
    options?: CallOptions,
  ): Promise<boolean>;

  /**
   * Content, verified against its hash. Repeatable.
   * @throws StoreError NOT_FOUND; CORRUPT when the bytes do not match
   */
  blob(ref: BlobRef, options?: CallOptions): Promise<Buffer>;

  /**
   * Stores what is missing, then in one atomic step adds the release and moves the head.
   * Acknowledged means durable as the store can. Repeating it after UNKNOWN_OUTCOME is safe: it is recognised by the release's id, as long
   * as the release is kept.
   * @returns the head as this publication set it; when others have built on it already, with a version that no publish accepts
   * @throws StoreError CONFLICT when the head is not `expected` any more: nothing was changed
   * @throws StoreError UNKNOWN_OUTCOME
   * @throws StoreError NOT_OPEN, NOT_ARCHIVED where the store's ensemble has an archive: the message says whether anything was published
   */
  publish(publication: Publication, options?: PublicationOptions): Promise<Latest>;

  /**
   * Puts another rollout into a head and leaves its release as it is, if the head still says the same. Repeatable.
   * @returns the head after it
   * @throws StoreError CONFLICT when it says something else by now: nothing was changed
   * @throws StoreError UNKNOWN_OUTCOME
   */
  steer(bundle: string, from: VersionedHead, rollout: Rollout, options?: CallOptions): Promise<VersionedHead>;

  /**
   * Adds older releases to a bundle's line, so that its history reaches further back; the head stays as it is. Those that are kept already
   * are passed over, but for content of theirs that is missing. Repeatable, also after it broke off in the middle.
   * @throws StoreError CONFLICT when another release has one of the numbers, or when the line does not reach down to the first of them
   */
  backfill(backfill: Backfill, options?: CallOptions & { readonly progress?: UploadProgress }): Promise<void>;

  /** An endless stream of reasons to look again; begins with one for what is there, ends with the signal or the store's closing. */
  changes(options?: CallOptions): AsyncIterable<StoreChange>;

  /**
   * Shows this instance's status to the fleet until the store is closed (or, without sessions, for good). Repeatable. The first call takes
   * over from whoever showed itself under this id before, as an instance that starts again must.
   * @returns what the write told about clocks, where the store tells its time
   * @throws StoreError TAKEN when somebody else has taken over since: its status was left alone
   */
  report(status: InstanceStatus, options?: CallOptions): Promise<ClockExchange | undefined>;

  /** Every instance that shows a status now. Repeatable. */
  instances(options?: CallOptions): Promise<InstanceStatus[]>;

  /**
   * Tells that instances came or went, at once and then each time: an endless stream of reasons to look at them again, as `changes` is for
   * bundles. Adapters that are not told of it themselves have none.
   */
  instanceChanges?(options?: CallOptions): AsyncIterable<void>;

  /** Takes an instance's status away. Repeatable. */
  forget(instance: string, options?: CallOptions): Promise<void>;

  /** Adds to the log of what was done to the cluster; a publication does so by itself, and is not held up by it. @throws StoreError CONFLICT */
  note(record: AuditRecord, options?: CallOptions): Promise<void>;

  /** The newest records of that log, ascending. Repeatable. */
  audit(range: AuditRange, options?: CallOptions): Promise<AuditEntry[]>;

  /** Removes releases beyond the retention that no tag protects, then the blobs that no release uses. Never races a publisher. Repeatable. */
  collect(retention: Retention, options?: CallOptions): Promise<Collected>;

  /** Ends sessions, watches and timers. */
  close(): Promise<void>;
}
