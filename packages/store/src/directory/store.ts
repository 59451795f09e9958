import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type BlobRef,
  comparePaths,
  decodeStatus,
  encodeStatus,
  HEAD_FORMAT,
  type InstanceStatus,
  type Release,
} from '@quorate/model';
import { StoreError } from '../errors.ts';
import type {
  CallOptions,
  Capabilities,
  Collected,
  Latest,
  Publication,
  Retention,
  Store,
  StoreChange,
  UploadProgress,
} from '../store.ts';
import { Blobs } from './blobs.ts';
import { directoryChanges, POLL_MS } from './changes.ts';
import { collect, type Line } from './collect.ts';
import { createFile, isMissing, makeFolder, replaceFile, storeError } from './durable.ts';
import { Heads, type Step } from './heads.ts';
import { Releases } from './releases.ts';

const STORE_FORMAT = 1;
/** A publisher whose blobs were set aside by a collector verifies them again this often. */
const FENCED_ROUNDS = 100;

/** A store in a folder: on a local disk, or on a mount that all machines share. */
export class DirectoryStore implements Store {
  readonly url: string;
  readonly capabilities: Capabilities = { events: true, sessions: false };
  readonly #folder: string;
  readonly #blobs: Blobs;
  readonly #pollMs: number;
  readonly #closed = new AbortController();
  #prepared = false;

  constructor(folder: string, options: { pollMs?: number } = {}) {
    this.url = `dir:${folder}`;
    this.#folder = folder;
    this.#blobs = new Blobs(folder);
    this.#pollMs = options.pollMs ?? POLL_MS;
  }

  async bundles({ signal }: CallOptions = {}): Promise<string[]> {
    return this.#call(signal, async () => {
      await this.#checkFormat();
      const found: string[] = [];
      for (const bundle of await this.#bundleNames())
        if ((await this.#line(bundle).heads.current())?.committed) found.push(bundle);
      return found;
    });
  }

  async latest(bundle: string, { signal }: CallOptions = {}): Promise<Latest | undefined> {
    return this.#call(signal, async () => {
      await this.#checkFormat();
      return latestOf(await this.#line(bundle).heads.current());
    });
  }

  async release(bundle: string, number: number, { signal }: CallOptions = {}): Promise<Release | undefined> {
    return this.#call(signal, () => this.#line(bundle).releases.read(number));
  }

  async releases(bundle: string, { signal }: CallOptions = {}): Promise<number[]> {
    return this.#call(signal, () => this.#line(bundle).releases.numbers());
  }

  async blob(ref: BlobRef, { signal }: CallOptions = {}): Promise<Buffer> {
    return this.#call(signal, () => this.#blobs.read(ref));
  }

  async publish(
    publication: Publication,
    { signal, progress }: CallOptions & { progress?: UploadProgress } = {},
  ): Promise<Latest> {
    return this.#call(signal, async () => {
      await this.#prepare();
      const line = this.#line(publication.release.bundle);
      if (!publication.expected) await line.heads.begin();
      for (let round = 0; round < FENCED_ROUNDS; round++) {
        const base = await this.#base(line, publication);
        if ('done' in base) return base.done;
        await line.releases.repair();
        await this.#blobs.write(publication.added, signal, progress);
        signal?.throwIfAborted();
        const { release } = publication;
        const head = { format: HEAD_FORMAT, release: release.number, digest: release.digest };
        if (!(await line.heads.add(base.version, { head, release }))) continue; // a fence or a winner: look which
        await line.releases.add(release);
        return { head: { ...head, version: String(base.version + 1) }, release };
      }
      throw new StoreError(
        'CONFLICT',
        'collections of old blobs came in between again and again: publish again at a calmer time',
      );
    });
  }

  /** The step to build on, or the outcome where this very publication stands already. @throws StoreError CONFLICT */
  async #base(line: Line, { release, expected }: Publication): Promise<{ version: number } | { done: Latest }> {
    const step = await line.heads.current();
    const now = step?.committed;
    const own = now?.release.number === release.number ? now.release : await line.releases.read(release.number);
    if (own?.id === release.id) return { done: latestOf(step)! };
    // a fence bumps the version and keeps the release: the base is still the base
    if (!step || now?.head.release !== expected?.release || now?.head.digest !== expected?.digest) {
      const stands = now ? `release ${now.release.number} by ${now.release.author}` : 'nothing';
      const based = expected ? `release ${expected.release}` : 'nothing';
      throw new StoreError(
        'CONFLICT',
        `${release.bundle} has moved on: it was at ${based} when this was begun and is at ${stands} now; nothing was published`,
      );
    }
    return { version: step.version };
  }

  async *changes({ signal }: CallOptions = {}): AsyncGenerator<StoreChange> {
    const ends = signal ? AbortSignal.any([signal, this.#closed.signal]) : this.#closed.signal;
    const look = async (): Promise<Map<string, number>> => {
      await this.#checkFormat();
      const seen = new Map<string, number>();
      for (const bundle of await this.#bundleNames())
        seen.set(bundle, (await this.#line(bundle).heads.versions()).at(-1) ?? 0);
      return seen;
    };
    yield* directoryChanges({ folder: this.#folder, look }, this.#pollMs, ends);
  }

  async report(status: InstanceStatus, { signal }: CallOptions = {}): Promise<undefined> {
    return this.#call(signal, async () => {
      await this.#prepare();
      await makeFolder(join(this.#folder, 'instances'));
      await replaceFile(this.#instancePath(status.id), encodeStatus(status));
      return undefined;
    });
  }

  async instances({ signal }: CallOptions = {}): Promise<InstanceStatus[]> {
    return this.#call(signal, async () => {
      const names = await list(join(this.#folder, 'instances'));
      const found: InstanceStatus[] = [];
      for (const name of names.filter((name) => !name.startsWith('.'))) {
        try {
          found.push(decodeStatus(await readFile(join(this.#folder, 'instances', name))));
        } catch (error) {
          if (!isMissing(error)) throw error; // forgotten in between
        }
      }
      return found.sort((a, b) => comparePaths(a.id, b.id));
    });
  }

  async forget(instance: string, { signal }: CallOptions = {}): Promise<void> {
    return this.#call(signal, () => rm(this.#instancePath(instance), { force: true }));
  }

  async collect(retention: Retention, { signal }: CallOptions = {}): Promise<Collected> {
    return this.#call(signal, async () => {
      const lines = async (): Promise<Line[]> => (await this.#bundleNames()).map((bundle) => this.#line(bundle));
      return collect(this, this.#blobs, lines, retention);
    });
  }

  async close(): Promise<void> {
    this.#closed.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #line(bundle: string): Line {
    const heads = new Heads(this.#folder, bundle);
    return { heads, releases: new Releases(this.#folder, bundle, heads) };
  }

  async #bundleNames(): Promise<string[]> {
    return (await list(join(this.#folder, 'bundles'))).sort(comparePaths);
  }

  #instancePath(id: string): string {
    return join(this.#folder, 'instances', encodeURIComponent(id));
  }

  /** Makes the store where there is none. */
  async #prepare(): Promise<void> {
    if (this.#prepared) return;
    await makeFolder(this.#folder);
    await createFile(
      join(this.#folder, 'format'),
      Buffer.from(`${JSON.stringify({ format: STORE_FORMAT, store: 'quorate' })}\n`),
    );
    this.#prepared = true;
  }

  async #checkFormat(): Promise<void> {
    if (this.#prepared) return;
    let text: string;
    try {
      text = await readFile(join(this.#folder, 'format'), 'utf8');
    } catch (error) {
      if (isMissing(error)) return; // nothing published yet
      throw error;
    }
    const format = (JSON.parse(text) as { format?: unknown }).format;
    if (typeof format !== 'number')
      throw new StoreError('CORRUPT', `${this.#folder}/format cannot be read: is this a store of Quorate?`);
    if (format > STORE_FORMAT)
      throw new StoreError(
        'NEWER_FORMAT',
        `${this.url} has format ${format}, this Quorate knows up to ${STORE_FORMAT}: upgrade Quorate on this machine`,
      );
    this.#prepared = true;
  }

  async #call<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
      throw storeError(`the store ${this.url}`, error);
    }
  }
}

function latestOf(step: Step | undefined): Latest | undefined {
  return step?.committed
    ? { head: { ...step.committed.head, version: String(step.version) }, release: step.committed.release }
    : undefined;
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
