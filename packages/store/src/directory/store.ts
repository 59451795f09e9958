import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type BlobRef,
  checkBundleName,
  comparePaths,
  decodeStatus,
  encodeStatus,
  HEAD_FORMAT,
  type InstanceStatus,
  type Release,
} from '@quorate/model';
import { conflict, StoreError } from '../errors.ts';
import { checkFormat, FORMAT_RECORD, recordError } from '../format.ts';
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
import {
  createFile,
  isMissing,
  makeFolder,
  namesIn,
  removeUnfinished,
  replaceFile,
  storeError,
  syncFolder,
} from './durable.ts';
import { HEADS_KEPT, Heads, type Step } from './heads.ts';
import { tellsChanges } from './mount.ts';
import { Releases } from './releases.ts';

/** A publisher whose blobs were set aside by a collector verifies them again this often. */
const FENCED_ROUNDS = 100;

/** A store in a folder: on a local disk, or on a mount that all machines share. */
export class DirectoryStore implements Store {
  readonly url: string;
  readonly capabilities: Capabilities;
  readonly #folder: string;
  readonly #blobs: Blobs;
  readonly #pollMs: number;
  readonly #closed = new AbortController();
  /** its format was read: the store is there */
  #known = false;
  #prepared = false;

  /** A store in this absolute folder. */
  static async open(folder: string, options: { pollMs?: number | undefined } = {}): Promise<DirectoryStore> {
    return new DirectoryStore(folder, await tellsChanges(folder), options.pollMs ?? POLL_MS);
  }

  private constructor(folder: string, events: boolean, pollMs: number) {
    this.url = `dir:${folder}`;
    this.capabilities = { events, sessions: false };
    this.#folder = folder;
    this.#blobs = new Blobs(folder);
    this.#pollMs = pollMs;
  }

  async bundles({ signal }: CallOptions = {}): Promise<string[]> {
    return this.#call(signal, async () => {
      const found: string[] = [];
      for (const bundle of await this.#bundleNames())
        if ((await this.#line(bundle).heads.current())?.committed) found.push(bundle);
      if (found.length === 0) await this.#checkThere();
      return found;
    });
  }

  async latest(bundle: string, { signal }: CallOptions = {}): Promise<Latest | undefined> {
    return this.#call(signal, async () => {
      const latest = latestOf(await this.#line(bundle).heads.current());
      if (!latest) await this.#checkThere();
      return latest;
    });
  }

  async release(bundle: string, number: number, { signal }: CallOptions = {}): Promise<Release | undefined> {
    return this.#call(signal, async () => {
      const release = await this.#line(bundle).releases.read(number);
      if (!release) await this.#checkThere();
      return release;
    });
  }

  async releases(bundle: string, { signal }: CallOptions = {}): Promise<number[]> {
    return this.#call(signal, async () => {
      const numbers = await this.#line(bundle).releases.numbers();
      if (numbers.length === 0) await this.#checkThere();
      return numbers;
    });
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
      let tried: number | undefined;
      for (let round = 0; round < FENCED_ROUNDS; round++) {
        const base = await this.#base(line, publication, tried);
        if ('done' in base) return base.done;
        await line.releases.repair();
        await this.#blobs.write(publication.added, signal, progress);
        signal?.throwIfAborted();
        const { release } = publication;
        const head = { format: HEAD_FORMAT, release: release.number, digest: release.digest };
        tried ??= base.version;
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

  /** The step to build on, or the outcome where this very publication stands already. @throws StoreError CONFLICT, UNKNOWN_OUTCOME */
  async #base(
    line: Line,
    { release, expected }: Publication,
    tried: number | undefined,
  ): Promise<{ version: number } | { done: Latest }> {
    const step = await line.heads.current();
    const now = step?.committed;
    if (now?.release.id === release.id) return { done: latestOf(step)! };
    if ((await line.releases.read(release.number))?.id === release.id) {
      // it stands, and others came after it: no version that could pass for the head's
      const head = { format: HEAD_FORMAT, release: release.number, digest: release.digest, version: 'overtaken' };
      return { done: { head, release } };
    }
    // a fence bumps the version and keeps the release: the base is still the base
    if (step && now?.head.release === expected?.release && now?.head.digest === expected?.digest)
      return { version: step.version };
    if (tried !== undefined && step && step.version - tried > HEADS_KEPT) {
      const message = `this machine slept while release ${release.number} of ${release.bundle} was published, and whether it stood for a time can't be told any more`;
      throw new StoreError('UNKNOWN_OUTCOME', message);
    }
    throw conflict(release.bundle, expected?.release, now?.release);
  }

  async *changes({ signal }: CallOptions = {}): AsyncGenerator<StoreChange> {
    const ends = signal ? AbortSignal.any([signal, this.#closed.signal]) : this.#closed.signal;
    const look = async (): Promise<Map<string, number>> => {
      await this.#checkFormat();
      await this.#checkThere();
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
      const found: InstanceStatus[] = [];
      for (const name of await namesIn(join(this.#folder, 'instances'))) {
        if (name.startsWith('.')) continue;
        const status = await readStatus(join(this.#folder, 'instances', name));
        if (status) found.push(status);
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
      const collected = await collect(this, this.#blobs, lines, retention);
      for (const folder of [this.#folder, join(this.#folder, 'instances')]) await removeUnfinished(folder);
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
    const heads = new Heads(this.#folder, bundle);
    return { bundle, heads, releases: new Releases(this.#folder, bundle, heads) };
  }

  /** Folders of bundles; other names are leavings of a file system or a person. */
  async #bundleNames(): Promise<string[]> {
    return (await namesIn(join(this.#folder, 'bundles'))).filter(isBundleName).sort(comparePaths);
  }

  #instancePath(id: string): string {
    return join(this.#folder, 'instances', encodeURIComponent(id).replace(/^\./, '%2E'));
  }

  /** Makes the store where there is none. The folder above must be there: a share that is not mounted must not become a local folder. */
  async #prepare(): Promise<void> {
    if (this.#prepared) return;
    try {
      await mkdir(this.#folder, { mode: 0o700 });
      await syncFolder(dirname(this.#folder));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') {
        const message = `${dirname(this.#folder)} is no folder: mount the share, or make the folder first`;
        throw new StoreError('UNSUITABLE', `the store ${this.url}: ${message}`, { cause: error });
      }
      if (code !== 'EEXIST') throw error; // usually it is there
    }
    if (!this.#known) await createFile(join(this.#folder, 'format'), Buffer.from(FORMAT_RECORD));
    await syncFolder(this.#folder); // somebody else may have written it a moment ago
    await this.#checkFormat();
    this.#prepared = true;
  }

  async #checkFormat(): Promise<void> {
    if (this.#known) return;
    const text = await this.#readFormat();
    if (text === undefined) return; // nothing published yet
    checkFormat(this.url, text);
    this.#known = true;
  }

  /** Nothing found is an answer only while the store is there. @throws StoreError UNREACHABLE when a share went away */
  async #checkThere(): Promise<void> {
    if (this.#known && (await this.#readFormat()) === undefined)
      throw new StoreError('UNREACHABLE', `the store ${this.url} is not there any more: is the share mounted?`);
  }

  async #readFormat(): Promise<string | undefined> {
    try {
      return await readFile(join(this.#folder, 'format'), 'utf8');
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async #call<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    try {
      await this.#checkFormat();
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

function isBundleName(name: string): boolean {
  try {
    checkBundleName(name);
    return true;
  } catch {
    // the model says no: that is the answer
    return false;
  }
}

async function readStatus(path: string): Promise<InstanceStatus | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (isMissing(error)) return undefined; // forgotten in between
    throw error;
  }
  try {
    return decodeStatus(bytes);
  } catch (error) {
    throw recordError(path, error) ?? error;
  }
}
