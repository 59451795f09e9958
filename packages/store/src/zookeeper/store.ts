import {
  type AuditEntry,
  type AuditRecord,
  type BlobRef,
  type ClockExchange,
  comparePaths,
  type InstanceStatus,
  isBundleName,
  type Release,
  type Rollout,
  type Tag,
} from '@quorate/model';
import type { ZooKeeper } from '@quorate/zookeeper';
import type { AuditRange } from '../audit.ts';
import type { Candidates } from '../candidates.ts';
import { StoreError } from '../errors.ts';
import type {
  Backfill,
  CallOptions,
  Capabilities,
  Collected,
  Latest,
  Publication,
  PublicationOptions,
  Retention,
  Store,
  StoreChange,
  UploadProgress,
  VersionedHead,
  VersionedTags,
} from '../store.ts';
import type { Acls } from './acls.ts';
import { addAudit, readAudit, trimAudit } from './audit.ts';
import { backfill } from './backfill.ts';
import { Blobs } from './blobs.ts';
import { BlobCache } from './cache.ts';
import type { Offered } from './candidate-nodes.ts';
import { ZooKeeperCandidates } from './candidates.ts';
import { zooKeeperChanges } from './changes.ts';
import { collect } from './collect.ts';
import { type InSession, ZooKeeperEnsemble } from './ensemble.ts';
import { isCode, storeError } from './errors.ts';
import { Gate } from './gate.ts';
import { instanceChanges } from './instance-changes.ts';
import { Lines } from './lines.ts';
import type { Link } from './link.ts';
import { childrenOf } from './missing.ts';
import { BUNDLES, headPath } from './paths.ts';
import { Publisher } from './publisher.ts';
import { Statuses } from './statuses.ts';
import { steer } from './steer.ts';
import { readTags, replaceTags } from './tags.ts';
import { Tree } from './tree.ts';

export interface Terms {
  /** of a cluster's own ensemble: closes what lies above the store, when it is founded */
  readonly closeRoot?: (() => Promise<void>) | undefined;
  /** whose certificate it is opened with, in words */
  readonly certificate?: string | undefined;
  /** ms, as `openStore` has it */
  readonly archiveWait?: number | undefined;
}

/** A store in a ZooKeeper ensemble, Quorate's own or a user's. */
export class ZooKeeperStore implements Store {
  readonly url: string;
  readonly capabilities: Capabilities = { events: true, sessions: true };
  readonly ensemble: ZooKeeperEnsemble;
  readonly candidates: Candidates;
  readonly #link: Link;
  readonly #tree: Tree;
  readonly #blobs: Blobs;
  readonly #lines: Lines;
  readonly #publisher: Publisher;
  readonly #gate: Gate;
  readonly #statuses: Statuses;
  readonly #cache = new BlobCache();

  /**
   * @param acls of the nodes that are made; open to all that reach the ensemble unless given
   */
  constructor(url: string, link: Link, acls: Acls | undefined, more: Terms = {}) {
    this.url = url;
    this.#link = link;
    this.#tree = new Tree(url, acls, more.certificate);
    this.#blobs = new Blobs(this.#tree.acl);
    this.#lines = new Lines(url);
    this.#statuses = new Statuses(this.#tree);
    this.#gate = new Gate(url, more.closeRoot !== undefined, more.archiveWait);
    const parts = {
      tree: this.#tree,
      blobs: this.#blobs,
      lines: this.#lines,
      cache: this.#cache,
      gate: this.#gate,
    };
    this.#publisher = new Publisher(link, parts);
    const call: InSession = (options, work) => this.#call(options, work);
    this.ensemble = new ZooKeeperEnsemble(call, link, parts, more.closeRoot);
    this.candidates = new ZooKeeperCandidates(call, link, { ...parts, publish: (...what) => this.#publish(...what) });
    link.onSession = async (zk) => {
      await this.#statuses.showAgain(zk);
      await this.ensemble.showAgain(zk);
    };
  }

  /** The first session. @throws StoreError UNREACHABLE, NOT_ALLOWED, NEWER_FORMAT */
  async connect(signal?: AbortSignal): Promise<void> {
    await this.#call({ signal }, (zk) => this.#tree.checkFormat(zk));
  }

  bundles(options: CallOptions = {}): Promise<string[]> {
    return this.#call(options, async (zk) => {
      const names = (await childrenOf(zk, BUNDLES)).filter(isBundleName); // others are leavings of a person
      const stats = await Promise.all(names.map((bundle) => zk.exists(headPath(bundle))));
      return names.filter((_, at) => stats[at]).sort(comparePaths);
    });
  }

  latest(bundle: string, options: CallOptions = {}): Promise<Latest | undefined> {
    return this.#call(options, (zk) => this.#lines.latest(zk, bundle, options.signal));
  }

  release(bundle: string, number: number, options: CallOptions = {}): Promise<Release | undefined> {
    return this.#call(options, (zk) => this.#lines.release(zk, bundle, number, options.signal));
  }

  releases(bundle: string, options: CallOptions = {}): Promise<number[]> {
    return this.#call(options, (zk) => this.#lines.numbers(zk, bundle));
  }

  note(record: AuditRecord, options: CallOptions = {}): Promise<void> {
    return this.#call(options, async (zk) => {
      await addAudit(zk, this.#tree, record);
      await trimAudit(zk);
    });
  }

  audit(range: AuditRange, options: CallOptions = {}): Promise<AuditEntry[]> {
    return this.#call(options, (zk) => readAudit(zk, range));
  }

  tags(bundle: string, options: CallOptions = {}): Promise<VersionedTags> {
    return this.#call(options, (zk) => readTags(zk, bundle));
  }

  replaceTags(
    bundle: string,
    tags: readonly Tag[],
    version: string | undefined,
    options: CallOptions = {},
  ): Promise<boolean> {
    return this.#call(options, (zk) => replaceTags(zk, bundle, tags, version, this.#tree.aclOf(bundle)));
  }

  async blob(ref: BlobRef, options: CallOptions = {}): Promise<Buffer> {
    const known = this.#cache.get(ref);
    if (known) return known;
    const bytes = await this.#call(options, (zk) => this.#blobs.read(zk, ref, options.signal));
    this.#cache.put(ref, bytes);
    return bytes;
  }

  publish(publication: Publication, options: PublicationOptions = {}): Promise<Latest> {
    return this.#call(options, () => this.#publish(publication, options));
  }

  async #publish(publication: Publication, options: PublicationOptions, candidate?: Offered): Promise<Latest> {
    const latest = await this.#publisher.publish(publication, options, candidate);
    if (!options.archived) await this.#gate.archived(this.#link, latest.release, options.signal);
    return latest;
  }

  steer(bundle: string, from: VersionedHead, rollout: Rollout, options: CallOptions = {}): Promise<VersionedHead> {
    return this.#call(options, () => steer(this.#link, this.#lines, { bundle, from, rollout }, options));
  }

  backfill(what: Backfill, options: CallOptions & { progress?: UploadProgress } = {}): Promise<void> {
    const parts = { tree: this.#tree, blobs: this.#blobs, lines: this.#lines };
    return this.#call(options, () => backfill(this.#link, parts, what, options));
  }

  async *changes({ signal }: CallOptions = {}): AsyncGenerator<StoreChange> {
    const ends = signal ? AbortSignal.any([signal, this.#link.closing]) : this.#link.closing;
    yield* zooKeeperChanges(this.#link, ends, (error) => storeError(this.url, error) as Error);
  }

  report(status: InstanceStatus, options: CallOptions = {}): Promise<ClockExchange> {
    return this.#call(options, (zk) => this.#statuses.show(zk, status));
  }

  instances(options: CallOptions = {}): Promise<InstanceStatus[]> {
    return this.#call(options, (zk) => this.#statuses.all(zk));
  }

  async *instanceChanges({ signal }: CallOptions = {}): AsyncGenerator<void> {
    yield* instanceChanges(this.#link, signal ? AbortSignal.any([signal, this.#link.closing]) : this.#link.closing);
  }

  forget(instance: string, options: CallOptions = {}): Promise<void> {
    return this.#call(options, (zk) => this.#statuses.forget(zk, instance));
  }

  collect(retention: Retention, options: CallOptions = {}): Promise<Collected> {
    return this.#call(options, async (zk) => {
      await this.#tree.prepareOffers(zk);
      await trimAudit(zk);
      return collect(this, zk, { blobs: this.#blobs, tree: this.#tree }, retention);
    });
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #call<T>({ signal }: CallOptions, work: (zk: ZooKeeper) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    try {
      return await this.#withSession(work, signal);
    } catch (error) {
      if (!(error instanceof StoreError)) signal?.throwIfAborted(); // what became of it matters more than that it was given up
      throw storeError(this.url, error);
    }
  }

  async #withSession<T>(work: (zk: ZooKeeper) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    try {
      return await work(await this.#link.session(signal));
    } catch (error) {
      // over before anything was sent, as after a long sleep of this machine: the next session serves as well
      if (!isCode(error, 'SESSION_EXPIRED') || error.ambiguous) throw error;
      return work(await this.#link.session(signal));
    }
  }
}
