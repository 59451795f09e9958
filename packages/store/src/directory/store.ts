import { join } from 'node:path';
import {
  type AuditEntry,
  type AuditRecord,
  type BlobRef,
  checkBundleName,
  comparePaths,
  type InstanceStatus,
  isBundleName,
  type Release,
  type Rollout,
  type Tag,
} from '@quorate/model';
import { type AuditRange, notePublished } from '../audit.ts';
import { collect } from '../collection.ts';
import { steer } from '../commit.ts';
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
import { AuditFiles } from './audit.ts';
import { backfill } from './backfill.ts';
import { Blobs } from './blobs.ts';
import { directoryChanges, POLL_MS } from './changes.ts';
import { namesIn, removeUnfinished } from './durable.ts';
import { storeError } from './errors.ts';
import { latestOf } from './heads.ts';
import { Line } from './line.ts';
import { tellsChanges } from './mount.ts';
import { Publisher } from './publisher.ts';
import { Root } from './root.ts';
import { Statuses } from './statuses.ts';
import { refuseBucketMount } from './suits.ts';

/** A store in a folder: on a local disk, or on a mount that all machines share. */
export class DirectoryStore implements Store {
  readonly capabilities: Capabilities;
  readonly #root: Root;
  readonly #blobs: Blobs;
  readonly #statuses: Statuses;
  readonly #audit: AuditFiles;
  readonly #pollMs: number;
  readonly #closed = new AbortController();

  /** A store in this absolute folder. @throws StoreError UNSUITABLE for a bucket that is mounted as a folder */
  static async open(folder: string, options: { pollMs?: number | undefined } = {}): Promise<DirectoryStore> {
    await refuseBucketMount(folder);
    return new DirectoryStore(folder, await tellsChanges(folder), options.pollMs ?? POLL_MS);
  }

  private constructor(folder: string, events: boolean, pollMs: number) {
    this.capabilities = { events, sessions: false };
    this.#root = new Root(folder);
    this.#blobs = new Blobs(folder);
    this.#statuses = new Statuses(folder);
    this.#audit = new AuditFiles(folder);
    this.#pollMs = pollMs;
  }

  get url(): string {
    return this.#root.url;
  }

  async bundles({ signal }: CallOptions = {}): Promise<string[]> {
    return this.#call(signal, async () => {
      const found: string[] = [];
      for (const bundle of await this.#bundleNames()) if (await this.#line(bundle).heads.begun()) found.push(bundle);
      if (found.length === 0) await this.#root.checkThere();
      return found;
    });
  }

  async latest(bundle: string, { signal }: CallOptions = {}): Promise<Latest | undefined> {
    return this.#call(signal, async () => {
      const latest = latestOf(await this.#line(bundle).heads.current());
      if (!latest) await this.#root.checkThere();
      return latest;
    });
  }

  async release(bundle: string, number: number, { signal }: CallOptions = {}): Promise<Release | undefined> {
    return this.#call(signal, async () => {
      const release = await this.#line(bundle).releases.read(number);
      if (!release) await this.#root.checkThere();
      return release;
    });
  }

  async releases(bundle: string, { signal }: CallOptions = {}): Promise<number[]> {
    return this.#call(signal, async () => {
      const numbers = await this.#line(bundle).releases.numbers();
      if (numbers.length === 0) await this.#root.checkThere();
      return numbers;
    });
  }

  async note(record: AuditRecord, options: CallOptions = {}): Promise<void> {
    return this.#call(options.signal, async () => {
      await this.#root.prepare();
      await this.#audit.add(record);
    });
  }

  async audit(range: AuditRange, options: CallOptions = {}): Promise<AuditEntry[]> {
    return this.#call(options.signal, () => this.#audit.read(range));
  }

  async tags(bundle: string, { signal }: CallOptions = {}): Promise<VersionedTags> {
    return this.#call(signal, () => this.#line(bundle).tags.read());
  }

  async replaceTags(
    bundle: string,
    tags: readonly Tag[],
    version: string | undefined,
    { signal }: CallOptions = {},
  ): Promise<boolean> {
    return this.#call(signal, () => this.#line(bundle).tags.replace(tags, version));
  }

  async blob(ref: BlobRef, { signal }: CallOptions = {}): Promise<Buffer> {
    return this.#call(signal, () => this.#blobs.read(ref));
  }

  async publish(publication: Publication, options: PublicationOptions = {}): Promise<Latest> {
    return this.#call(options.signal, async () => {
      await this.#root.prepare();
      const line = this.#line(publication.release.bundle);
      const latest = await new Publisher(line, this.#blobs, publication).publish(options);
      await notePublished(this, latest, options);
      return latest;
    });
  }

  async steer(
    bundle: string,
    from: VersionedHead,
    rollout: Rollout,
    { signal }: CallOptions = {},
  ): Promise<VersionedHead> {
    return this.#call(signal, () => steer(this.#line(bundle), from, rollout));
  }

  async backfill(what: Backfill, options: CallOptions & { progress?: UploadProgress } = {}): Promise<void> {
    return this.#call(options.signal, () => backfill(this.#line(what.bundle), this.#blobs, what, options));
  }

  async *changes({ signal }: CallOptions = {}): AsyncGenerator<StoreChange> {
    const ends = signal ? AbortSignal.any([signal, this.#closed.signal]) : this.#closed.signal;
    const look = async (): Promise<Map<string, number>> => {
      await this.#root.checkFormat();
      await this.#root.checkThere();
      const seen = new Map<string, number>();
      for (const bundle of await this.#bundleNames())
        seen.set(bundle, (await this.#line(bundle).heads.versions()).at(-1) ?? 0);
      return seen;
    };
    yield* directoryChanges({ folder: this.#root.folder, look }, this.#pollMs, ends);
  }

  async report(status: InstanceStatus, { signal }: CallOptions = {}): Promise<undefined> {
    return this.#call(signal, async () => {
      await this.#root.prepare();
      await this.#statuses.show(status);
      return undefined;
    });
  }

  async instances({ signal }: CallOptions = {}): Promise<InstanceStatus[]> {
    return this.#call(signal, () => this.#statuses.all());
  }

  async forget(instance: string, { signal }: CallOptions = {}): Promise<void> {
    return this.#call(signal, () => this.#statuses.forget(instance));
  }

  async collect(retention: Retention, { signal }: CallOptions = {}): Promise<Collected> {
    return this.#call(signal, async () => {
      const lines = async (): Promise<Line[]> => (await this.#bundleNames()).map((bundle) => this.#line(bundle));
      const collected = await collect(this, this.#blobs, lines, retention);
      await this.#blobs.removeUnfinished();
      await removeUnfinished(this.#root.folder);
      await this.#audit.prune();
      await this.#statuses.removeUnfinished();
      return collected;
    });
  }

  async close(): Promise<void> {
    this.#closed.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #line(bundle: string): Line {
    checkBundleName(bundle);
    return new Line(this.#root.folder, bundle);
  }

  /** Folders of bundles; other names are leavings of a file system or a person. */
  async #bundleNames(): Promise<string[]> {
    return (await namesIn(join(this.#root.folder, 'bundles'))).filter(isBundleName).sort(comparePaths);
  }

  async #call<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    try {
      await this.#root.checkFormat();
      return await work();
    } catch (error) {
      if (!(error instanceof StoreError)) signal?.throwIfAborted(); // what became of it matters more than that it was given up
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
      throw storeError(`the store ${this.url}`, error);
    }
  }
}
