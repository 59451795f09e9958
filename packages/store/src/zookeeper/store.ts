import {
  type BlobRef,
  comparePaths,
  decodeHead,
  decodeRelease,
  decodeStatus,
  encodeHead,
  encodeRelease,
  encodeStatus,
  HEAD_FORMAT,
  type InstanceStatus,
  type Release,
} from '@quorate/model';
import { type Acl, op, type Stat, type WriteOp, type ZooKeeper } from '@quorate/zookeeper';
import { StoreError } from '../errors.ts';
import type {
  BlobSource,
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
import { Blobs, readSource } from './blobs.ts';
import { BlobCache } from './cache.ts';
import { zooKeeperChanges } from './changes.ts';
import { collect } from './collect.ts';
import { isCode, storeError } from './errors.ts';
import type { Link } from './link.ts';
import {
  BLOBS,
  BUNDLES,
  blobPath,
  CHUNK_BYTES,
  FORMAT,
  GENERATION,
  headPath,
  INSTANCES,
  instancePath,
  releasePath,
  releasesPath,
} from './paths.ts';

const STORE_FORMAT = 1;
/** A publication up to this is sent in one go, its atomic step right behind its blobs. */
const QUICK_BYTES = 512 * 1024;
const QUICK_BLOBS = 200;
/** Collections that may come in between before a publisher gives up. */
const ROUNDS = 100;
/** ms in which a publisher finds out what became of a step whose answer was lost */
const FIND_OUT_MS = 30_000;

/** A store in a ZooKeeper ensemble, Quorate's own or a user's. */
export class ZooKeeperStore implements Store {
  readonly url: string;
  readonly capabilities: Capabilities = { events: true, sessions: true };
  readonly #link: Link;
  readonly #acl: { acl: readonly Acl[] } | Record<string, never>;
  readonly #blobs: Blobs;
  readonly #cache = new BlobCache();
  /** the newest release of each bundle that was seen: a guess at what comes next */
  readonly #releases = new Map<string, Release>();
  readonly #prepared = new Set<string>();
  #generation: number | undefined;
  #formatKnown = false;
  #status: InstanceStatus | undefined;

  constructor(url: string, link: Link, acl: readonly Acl[] | undefined) {
    this.url = url;
    this.#link = link;
    this.#acl = acl ? { acl } : {};
    this.#blobs = new Blobs(acl);
    // an ephemeral status goes with its session: the next one shows it again
    link.onSession = async (zk) => {
      if (this.#status) await this.#show(zk, this.#status);
    };
  }

  /** The first session. @throws StoreError UNREACHABLE, NOT_ALLOWED, NEWER_FORMAT */
  async connect(signal?: AbortSignal): Promise<void> {
    await this.#call({ signal }, (zk) => this.#checkFormat(zk));
  }

  bundles(options: CallOptions = {}): Promise<string[]> {
    return this.#call(options, async (zk) => {
      const names = await childrenOf(zk, BUNDLES);
      const stats = await Promise.all(names.map((bundle) => zk.exists(headPath(bundle))));
      return names.filter((_, at) => stats[at]).sort(comparePaths);
    });
  }

  latest(bundle: string, options: CallOptions = {}): Promise<Latest | undefined> {
    return this.#call(options, (zk) => this.#latest(zk, bundle, options.signal));
  }

  /** Both reads are sent at once: the release that comes after the last one seen is the usual case. */
  async #latest(zk: ZooKeeper, bundle: string, signal?: AbortSignal): Promise<Latest | undefined> {
    const known = this.#releases.get(bundle);
    const reading = missingAsUndefined(zk.get(headPath(bundle), { signal }));
    const guess = known ? missingAsUndefined(zk.get(releasePath(bundle, known.number + 1), { signal })) : undefined;
    guess?.catch(() => undefined); // told below, if anybody needs it
    const read = await reading;
    if (!read) return undefined;
    const head = { ...decodeHead(read.data), version: versionOf(read.stat) };
    const next = head.release === (known?.number ?? 0) + 1 ? await guess : undefined;
    const release = await this.#releaseFor(zk, bundle, head, known, next?.data, signal);
    this.#releases.set(bundle, release);
    return { head, release };
  }

  async #releaseFor(
    zk: ZooKeeper,
    bundle: string,
    head: { release: number; digest: string },
    known: Release | undefined,
    guess: Buffer | undefined,
    signal?: AbortSignal,
  ): Promise<Release> {
    if (known?.number === head.release && known.digest === head.digest) return known;
    if (guess) return decodeRelease(guess);
    const read = await missingAsUndefined(zk.get(releasePath(bundle, head.release), { signal }));
    if (!read)
      throw new StoreError(
        'CORRUPT',
        `the head of ${bundle} names release ${head.release}, which is not in ${this.url}`,
      );
    return decodeRelease(read.data);
  }

  release(bundle: string, number: number, options: CallOptions = {}): Promise<Release | undefined> {
    return this.#call(options, async (zk) => {
      const read = await missingAsUndefined(zk.get(releasePath(bundle, number), options));
      return read ? decodeRelease(read.data) : undefined;
    });
  }

  releases(bundle: string, options: CallOptions = {}): Promise<number[]> {
    return this.#call(options, async (zk) =>
      (await childrenOf(zk, releasesPath(bundle))).map(Number).sort((a, b) => a - b),
    );
  }

  async blob(ref: BlobRef, options: CallOptions = {}): Promise<Buffer> {
    const known = this.#cache.get(ref);
    if (known) return known;
    const bytes = await this.#call(options, (zk) => this.#blobs.read(zk, ref, options.signal));
    this.#cache.put(ref, bytes);
    return bytes;
  }

  publish(publication: Publication, options: CallOptions & { progress?: UploadProgress } = {}): Promise<Latest> {
    return this.#call(options, async (zk) => {
      await this.#prepare(zk, publication.release.bundle);
      for (let round = 0; round < ROUNDS; round++) {
        options.signal?.throwIfAborted();
        const latest = await this.#attempt(zk, publication, options);
        if (latest) return latest;
      }
      throw new StoreError(
        'CONFLICT',
        'collections of old blobs came in between again and again: publish again at a calmer time',
      );
    });
  }

  /** @returns undefined when a collection came in between: the blobs have to be verified again */
  async #attempt(
    zk: ZooKeeper,
    publication: Publication,
    options: CallOptions & { progress?: UploadProgress },
  ): Promise<Latest | undefined> {
    const { release, added } = publication;
    this.#generation ??= (await zk.exists(GENERATION))!.version;
    const generation = this.#generation;
    const quick = isQuick(added);
    const contents = quick ? await Promise.all(added.map(async (ref) => ({ ref, bytes: await readSource(ref) }))) : [];
    // from here to the atomic step nothing is awaited when it is quick: one session's requests are executed in their order
    const sent = quick ? this.#blobs.send(zk, contents, options.signal) : [];
    const outcomes = Promise.allSettled(sent);
    if (!quick) await this.#blobs.upload(zk, added, options.signal, options.progress);
    try {
      const results = await zk.multi(this.#steps(publication, generation, quick));
      await outcomes;
      for (const { ref, bytes } of contents) this.#cache.put(ref, Buffer.from(bytes));
      return this.#won(
        release,
        results.find((result) => result.type === 'set' && result.stat.dataLength > 0),
      );
    } catch (error) {
      const refused = (await outcomes).find((outcome) => outcome.status === 'rejected');
      return this.#settle(zk, publication, error, refused?.reason);
    }
  }

  #steps({ release, expected, added }: Publication, generation: number, quick: boolean): WriteOp[] {
    const { bundle, number, digest } = release;
    const head = encodeHead({ format: HEAD_FORMAT, release: number, digest });
    const path = headPath(bundle);
    return [
      // a new bundle raises the generation: a collection that has not seen it starts over
      expected ? op.check(GENERATION, generation) : op.set(GENERATION, '', generation),
      ...(quick ? added.map((ref) => op.check(blobPath(ref.sha256))) : []),
      op.create(releasePath(bundle, number), encodeRelease(release), this.#acl),
      expected ? op.set(path, head, dataVersion(expected.version)) : op.create(path, head, this.#acl),
    ];
  }

  async #won(release: Release, set: { type: string; stat?: Stat | undefined } | undefined): Promise<Latest> {
    const stat = set?.stat ?? (await (await this.#link.session()).exists(headPath(release.bundle)))!;
    this.#releases.set(release.bundle, release);
    return {
      head: { format: HEAD_FORMAT, release: release.number, digest: release.digest, version: versionOf(stat) },
      release,
    };
  }

  /** What became of a step that failed. @returns as `#attempt` does @throws StoreError CONFLICT, UNKNOWN_OUTCOME, or the error itself */
  async #settle(
    zk: ZooKeeper,
    publication: Publication,
    error: unknown,
    refused: unknown,
  ): Promise<Latest | undefined> {
    const lost = isCode(error, 'CONNECTION_LOSS', 'SESSION_EXPIRED', 'OPERATION_TIMEOUT', 'REQUEST_TIMEOUT');
    const raced = isCode(error, 'BAD_VERSION', 'NODE_EXISTS', 'NO_NODE');
    if (!lost && !raced) throw error;
    this.#generation = undefined;
    const { release, expected } = publication;
    const now = lost ? await this.#findOut(release, error) : await this.#standing(zk, release);
    if (now.ours) return this.#won(release, undefined);
    if (now.latest?.head.version !== expected?.version) throw conflict(release, expected?.release, now.latest);
    if (refused !== undefined) throw refused;
    return undefined;
  }

  async #standing(zk: ZooKeeper, release: Release): Promise<{ ours: boolean; latest: Latest | undefined }> {
    await zk.sync(BUNDLES).catch(ignoreMissing);
    this.#releases.delete(release.bundle);
    const latest = await this.#latest(zk, release.bundle);
    const there = await missingAsUndefined(zk.get(releasePath(release.bundle, release.number)));
    return { ours: there !== undefined && decodeRelease(there.data).id === release.id, latest };
  }

  /** The answer was lost: the release's own id tells whether it stands. */
  async #findOut(release: Release, lost: unknown): Promise<{ ours: boolean; latest: Latest | undefined }> {
    const until = performance.now() + FIND_OUT_MS;
    for (;;) {
      try {
        return await this.#standing(await this.#link.session(), release);
      } catch (error) {
        if (
          !isCode(error, 'CONNECTION_LOSS', 'SESSION_EXPIRED', 'CONNECT_TIMEOUT', 'CLOSED') ||
          performance.now() > until
        ) {
          const message = `the connection was lost while release ${release.number} of ${release.bundle} was published, and whether it stands could not be found out`;
          throw new StoreError('UNKNOWN_OUTCOME', message, { cause: lost });
        }
      }
    }
  }

  async *changes({ signal }: CallOptions = {}): AsyncGenerator<StoreChange> {
    const ends = signal ? AbortSignal.any([signal, this.#link.closing]) : this.#link.closing;
    yield* zooKeeperChanges(this.#link, ends, (error) => storeError(this.url, error) as Error);
  }

  report(status: InstanceStatus, options: CallOptions = {}): Promise<{ offset: number; error: number }> {
    this.#status = status;
    return this.#call(options, (zk) => this.#show(zk, status));
  }

  /** The reply carries the leader's time. @returns this clock minus the leader's and the bound of the error, in ms */
  async #show(zk: ZooKeeper, status: InstanceStatus): Promise<{ offset: number; error: number }> {
    const path = instancePath(status.id);
    const data = encodeStatus(status);
    for (;;) {
      const [sent, from] = [Date.now(), performance.now()];
      try {
        const stat = await zk.set(path, data);
        const trip = performance.now() - from;
        if (stat.ephemeralOwner === zk.session.id) return { offset: sent + trip / 2 - stat.mtime, error: trip / 2 + 1 };
        await zk.delete(path).catch(ignoreMissing); // of a session before ours, which would take it along
      } catch (error) {
        if (!isCode(error, 'NO_NODE')) throw error;
        if (!this.#prepared.has(INSTANCES)) {
          await zk.ensure(INSTANCES, this.#acl);
          this.#prepared.add(INSTANCES);
        }
        await zk.create(path, data, { mode: 'ephemeral', ...this.#acl }).catch((cause: unknown) => {
          if (!isCode(cause, 'NODE_EXISTS')) throw cause;
        });
      }
    }
  }

  instances(options: CallOptions = {}): Promise<InstanceStatus[]> {
    return this.#call(options, async (zk) => {
      const names = await childrenOf(zk, INSTANCES);
      const reads = await Promise.all(names.map((name) => missingAsUndefined(zk.get(`${INSTANCES}/${name}`))));
      const found = reads.filter((read) => read !== undefined).map(({ data }) => decodeStatus(data));
      return found.sort((a, b) => comparePaths(a.id, b.id));
    });
  }

  forget(instance: string, options: CallOptions = {}): Promise<void> {
    if (this.#status?.id === instance) this.#status = undefined;
    return this.#call(options, (zk) => zk.delete(instancePath(instance)).catch(ignoreMissing));
  }

  collect(retention: Retention, options: CallOptions = {}): Promise<Collected> {
    return this.#call(options, (zk) => collect(this, zk, this.#blobs, retention));
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #checkFormat(zk: ZooKeeper): Promise<void> {
    if (this.#formatKnown) return;
    const read = await missingAsUndefined(zk.get(FORMAT));
    if (!read) return; // nothing published yet
    const { format } = JSON.parse(read.data.toString('utf8')) as { format?: unknown };
    if (typeof format !== 'number')
      throw new StoreError('CORRUPT', `${FORMAT} in ${this.url} cannot be read: is this a store of Quorate?`);
    if (format > STORE_FORMAT)
      throw new StoreError(
        'NEWER_FORMAT',
        `${this.url} has format ${format}, this Quorate knows up to ${STORE_FORMAT}: upgrade Quorate on this machine`,
      );
    this.#formatKnown = true;
  }

  /** Makes what a bundle's first release needs. */
  async #prepare(zk: ZooKeeper, bundle: string): Promise<void> {
    if (this.#prepared.has(bundle)) return;
    await this.#checkFormat(zk);
    const parents = [BLOBS, releasesPath(bundle)];
    for (const path of parents) await zk.ensure(path, this.#acl);
    const fixed = [
      [FORMAT, JSON.stringify({ format: STORE_FORMAT, store: 'quorate' })] as const,
      [GENERATION, ''] as const,
    ];
    for (const [path, data] of fixed) {
      await zk.create(path, data, this.#acl).catch((error: unknown) => {
        if (!isCode(error, 'NODE_EXISTS')) throw error;
      });
    }
    await this.#blobs.learnShards(zk);
    this.#prepared.add(bundle);
  }

  async #call<T>({ signal }: CallOptions, work: (zk: ZooKeeper) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    try {
      return await work(await this.#link.session());
    } catch (error) {
      signal?.throwIfAborted();
      throw storeError(this.url, error);
    }
  }
}

function isQuick(added: readonly BlobSource[]): boolean {
  return (
    added.length <= QUICK_BLOBS &&
    added.every(({ size }) => size <= CHUNK_BYTES) &&
    added.reduce((sum, { size }) => sum + size, 0) <= QUICK_BYTES
  );
}

function conflict(release: Release, expected: number | undefined, latest: Latest | undefined): StoreError {
  const based = expected === undefined ? 'nothing' : `release ${expected}`;
  const stands = latest ? `release ${latest.release.number} by ${latest.release.author}` : 'nothing';
  return new StoreError(
    'CONFLICT',
    `${release.bundle} has moved on: it was at ${based} when this was begun and is at ${stands} now; nothing was published`,
  );
}

/** A head's identity: which node it is, and how often it was set. */
const versionOf = (stat: Stat): string => `${stat.czxid}.${stat.version}`;

const dataVersion = (version: string): number => Number(version.slice(version.indexOf('.') + 1));

async function missingAsUndefined<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (isCode(error, 'NO_NODE')) return undefined;
    throw error;
  }
}

function ignoreMissing(error: unknown): void {
  if (!isCode(error, 'NO_NODE')) throw error;
}

async function childrenOf(zk: ZooKeeper, path: string): Promise<string[]> {
  return (await missingAsUndefined(zk.children(path)))?.children ?? [];
}
