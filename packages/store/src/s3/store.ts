import {
  type AuditEntry,
  type AuditRecord,
  type BlobRef,
  checkBundleName,
  type InstanceStatus,
  type Release,
  type Rollout,
  type Tag,
} from '@quorate/model';
import { type AuditRange, notePublished } from '../audit.ts';
import { collect } from '../collection.ts';
import { steer } from '../commit.ts';
import { StoreError } from '../errors.ts';
import { Hints } from '../hints.ts';
import { inLanes } from '../lanes.ts';
import { changesByLooking, type Seen } from '../looking.ts';
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
import { addAudit, readAudit } from './audit.ts';
import { backfill } from './backfill.ts';
import { Blobs } from './blobs.ts';
import { Line, latestOf, numbersOf, type Remembered } from './lines.ts';
import { ConditionalObjects, type ObjectsOptions } from './objects.ts';
import type { BucketPlace } from './place.ts';
import { Publisher } from './publisher.ts';
import { Registry } from './registry.ts';
import { Root } from './root.ts';
import { Statuses } from './statuses.ts';
import { readTags, replaceTags } from './tags.ts';

/** ms between two looks of a watcher, ± a quarter so that a fleet spreads out: one cheap request for each bundle. */
const POLL_MS = 30_000;
/** The same while changes are told of: hints may be lost. */
const HEARD_POLL_MS = 300_000;
/** Looks between two at the list of bundles: new ones are rare. */
const LOOKS_PER_LIST = 10;

export interface S3Options extends ObjectsOptions {
  readonly signal?: AbortSignal | undefined;
  readonly pollMs?: number | undefined;
  /** told of changes by somebody who hears of them otherwise */
  readonly hints?: Hints | undefined;
  /** ms until one that does not answer is given up */
  readonly connectTimeout?: number | undefined;
  /** ms by the service's clock that content stays aside before a collection deletes it; an hour unless said */
  readonly asideMs?: number;
}

/** A store below a prefix of an S3 bucket. */
export class S3Store implements Store {
  readonly capabilities: Capabilities = { events: false, sessions: false };
  readonly url: string;
  readonly #objects: ConditionalObjects;
  readonly #root: Root;
  readonly #registry: Registry;
  readonly #blobs: Blobs;
  readonly #statuses: Statuses;
  /** where it is said */
  readonly #saidPollMs: number | undefined;
  readonly #hints: Hints;
  readonly #remembered: Remembered = { steps: new Map(), askedAt: new Map() };
  /** bundles that have a release: they keep one */
  readonly #committed = new Set<string>();
  readonly #closed = new AbortController();

  /** @throws StoreError BAD_URL, NOT_ALLOWED, UNREACHABLE …: what is wrong is told at once */
  static async open(place: BucketPlace, { signal, connectTimeout, ...options }: S3Options = {}): Promise<S3Store> {
    const store = new S3Store(place, options);
    const late = connectTimeout === undefined ? undefined : AbortSignal.timeout(connectTimeout);
    try {
      await store.#root.checkFormat({ signal: AbortSignal.any([signal, late].filter((each) => each !== undefined)) });
      return store;
    } catch (error) {
      await store.close();
      if (!late?.aborted || signal?.aborted) throw error;
      throw new StoreError('UNREACHABLE', `${place.url}: no answer within ${connectTimeout} ms`, { cause: error });
    }
  }

  private constructor(place: BucketPlace, options: S3Options) {
    this.url = place.url;
    this.#objects = new ConditionalObjects(place, options);
    this.#root = new Root(this.#objects);
    this.#registry = new Registry(this.#objects);
    this.#blobs = new Blobs(this.#objects, options.asideMs);
    this.#statuses = new Statuses(this.#objects);
    this.#saidPollMs = place.pollMs ?? options.pollMs;
    this.#hints = options.hints ?? new Hints();
  }

  get #pollMs(): number {
    return this.#saidPollMs ?? (this.#hints.isHeard ? HEARD_POLL_MS : POLL_MS);
  }

  async bundles(options: CallOptions = {}): Promise<string[]> {
    return this.#call(options, async () => {
      const names = await this.#registry.names(options);
      const tags = await inLanes(names, async (name) => this.#committed.has(name) || this.#line(name).tag(options));
      const found = names.filter((_, at) => tags[at]);
      for (const name of found) this.#committed.add(name);
      return found;
    });
  }

  async latest(bundle: string, options: CallOptions = {}): Promise<Latest | undefined> {
    return this.#call(options, async () => latestOf(await this.#line(bundle).current(options)));
  }

  async release(bundle: string, number: number, options: CallOptions = {}): Promise<Release | undefined> {
    return this.#call(options, () => this.#line(bundle).release(number, options));
  }

  async releases(bundle: string, options: CallOptions = {}): Promise<number[]> {
    return this.#call(options, async () => numbersOf(await this.#line(bundle).current(options)));
  }

  async note(record: AuditRecord, options: CallOptions = {}): Promise<void> {
    return this.#call(options, async () => {
      await this.#root.prepare(options);
      await addAudit(this.#objects, record, options);
    });
  }

  async audit(range: AuditRange, options: CallOptions = {}): Promise<AuditEntry[]> {
    return this.#call(options, () => readAudit(this.#objects, range, options));
  }

  async tags(bundle: string, options: CallOptions = {}): Promise<VersionedTags> {
    return this.#call(options, () => readTags(this.#objects, bundle, options));
  }

  async replaceTags(
    bundle: string,
    tags: readonly Tag[],
    version: string | undefined,
    options: CallOptions = {},
  ): Promise<boolean> {
    return this.#call(options, () => replaceTags(this.#objects, bundle, { tags, version }, options));
  }

  async blob(ref: BlobRef, options: CallOptions = {}): Promise<Buffer> {
    return this.#call(options, () => this.#blobs.read(ref, options));
  }

  async publish(publication: Publication, options: PublicationOptions = {}): Promise<Latest> {
    return this.#call(options, async () => {
      await this.#root.prepare(options);
      const line = this.#line(publication.release.bundle);
      if (!publication.expected) {
        await this.#registry.add(line.bundle, options);
        await line.begin();
      }
      const latest = await new Publisher(line, this.#blobs, publication).publish(options);
      await notePublished(this, latest, options);
      return latest;
    });
  }

  async steer(
    bundle: string,
    from: VersionedHead,
    rollout: Rollout,
    options: CallOptions = {},
  ): Promise<VersionedHead> {
    return this.#call(options, () => steer(this.#line(bundle), from, rollout));
  }

  async backfill(what: Backfill, options: CallOptions & { progress?: UploadProgress } = {}): Promise<void> {
    return this.#call(options, async () => {
      await this.#root.prepare(options);
      await backfill(this.#line(what.bundle), this.#blobs, what, options);
    });
  }

  async *changes({ signal }: CallOptions = {}): AsyncGenerator<StoreChange> {
    const ends = signal ? AbortSignal.any([signal, this.#closed.signal]) : this.#closed.signal;
    let names: readonly string[] = [];
    let looks = 0;
    let isTold = false;
    const look = async (): Promise<Seen> => {
      const options = { signal: ends };
      await this.#root.checkFormat(options);
      if (looks++ % LOOKS_PER_LIST === 0 || isTold) names = await this.#registry.names(options);
      // an agent looks at its heads by itself from time to time: that is a look too
      const within = isTold ? 0 : (this.#pollMs * 3) / 4;
      const tags = await inLanes(names, (name) => this.#line(name).tag({ ...options, within }));
      isTold = false;
      return new Map(names.map((name, at) => [name, tags[at]] as const).filter(([, tag]) => tag !== undefined));
    };
    const rest = async (seen: Seen | undefined): Promise<void> => {
      if (!seen) looks = 0;
      const isHint = await this.#hints.rest(this.#pollMs * (0.75 + Math.random() / 2), ends);
      isTold ||= isHint; // until a look has succeeded
    };
    yield* changesByLooking({ look, rest }, ends);
  }

  async report(status: InstanceStatus, options: CallOptions = {}): Promise<undefined> {
    return this.#call(options, async () => {
      await this.#statuses.show(status, options);
      return undefined;
    });
  }

  async instances(options: CallOptions = {}): Promise<InstanceStatus[]> {
    return this.#call(options, () => this.#statuses.all(options));
  }

  async forget(instance: string, options: CallOptions = {}): Promise<void> {
    return this.#call(options, () => this.#statuses.forget(instance, options));
  }

  async collect(retention: Retention, options: CallOptions = {}): Promise<Collected> {
    return this.#call(options, async () => {
      await this.#root.prepare(options);
      const lines = async (): Promise<Line[]> => (await this.#registry.names(options)).map((name) => this.#line(name));
      return collect(this, this.#blobs, lines, retention);
    });
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#objects.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #line(bundle: string): Line {
    checkBundleName(bundle);
    return new Line(this.#objects, bundle, this.#remembered);
  }

  async #call<T>({ signal }: CallOptions, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    await this.#root.checkFormat(signal ? { signal } : {});
    return work();
  }
}
