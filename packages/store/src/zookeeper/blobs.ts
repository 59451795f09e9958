import { type BlobRef, sha256 } from '@quorate/model';
import type { Acl, Stat, ZooKeeper } from '@quorate/zookeeper';
import { StoreError } from '../errors.ts';
import type { BlobSource, UploadProgress } from '../store.ts';
import { isCode } from './errors.ts';
import { BLOBS, blobPath, CHUNK_BYTES, chunkCount, chunkPath, shardPath } from './paths.ts';

/** Bytes that are under way at once: enough to keep an ensemble busy, little enough to keep its heartbeats in time. */
const BYTES_UNDER_WAY = 4 * 1024 * 1024;
/** Reads of `exists` that are under way at once. */
const LOOKS_UNDER_WAY = 256;

/** Whether a blob is whole, from its node's stat: all in the node, or all chunks below it. */
const isWhole = (ref: BlobRef, stat: Stat | undefined): boolean =>
  stat !== undefined && (chunkCount(ref) === 0 ? stat.dataLength === ref.size : stat.numChildren === chunkCount(ref));

/** Content in nodes: raw bytes, in chunks where they are many. Every write may be repeated. */
export class Blobs {
  readonly #acl: { acl: readonly Acl[] } | Record<string, never>;
  /** shards that are known to be there: they are never removed */
  readonly #shards = new Set<string>();

  constructor(acl: readonly Acl[] | undefined) {
    this.#acl = acl ? { acl } : {};
  }

  async read(zk: ZooKeeper, ref: BlobRef, signal?: AbortSignal): Promise<Buffer> {
    let bytes: Buffer;
    try {
      const count = chunkCount(ref);
      if (count === 0) bytes = (await zk.get(blobPath(ref.sha256), { signal })).data;
      else bytes = Buffer.concat(await this.#chunks(zk, ref.sha256, count, signal));
    } catch (error) {
      if (isCode(error, 'NO_NODE'))
        throw new StoreError('NOT_FOUND', `the blob ${ref.sha256} is not in the store`, { cause: error });
      throw error;
    }
    if (bytes.byteLength !== ref.size || sha256(bytes) !== ref.sha256) {
      throw new StoreError(
        'CORRUPT',
        `the blob ${ref.sha256} does not have the content that its name says: somebody wrote to the store by hand`,
      );
    }
    return bytes;
  }

  async #chunks(zk: ZooKeeper, hash: string, count: number, signal?: AbortSignal): Promise<Buffer[]> {
    const chunks: Buffer[] = [];
    const window = BYTES_UNDER_WAY / CHUNK_BYTES;
    for (let at = 0; at < count; at += window) {
      const batch = Array.from({ length: Math.min(window, count - at) }, (_, step) =>
        zk.get(chunkPath(hash, at + step), { signal }),
      );
      for (const { data } of await Promise.all(batch)) chunks.push(data);
    }
    return chunks;
  }

  /** Learns the shards that are there, so that no create has to wait for its parent. */
  async learnShards(zk: ZooKeeper): Promise<void> {
    if (this.#shards.size > 0) return;
    const children = await zk.children(BLOBS).catch((error: unknown) => {
      if (isCode(error, 'NO_NODE')) return { children: [] as string[] };
      throw error;
    });
    for (const name of children.children) this.#shards.add(`${BLOBS}/${name}`);
  }

  /**
   * Sends the creates of small blobs without waiting for their answers: what is sent after them is executed after them.
   * @returns the answers, in case somebody wants to know why something is not there
   */
  send(
    zk: ZooKeeper,
    contents: readonly { ref: BlobRef; bytes: Uint8Array }[],
    signal?: AbortSignal,
  ): Promise<unknown>[] {
    return contents.flatMap(({ ref, bytes }) => {
      const shard = this.#sendShard(zk, ref, signal);
      return [...shard, this.#create(zk, blobPath(ref.sha256), bytes, signal)];
    });
  }

  #sendShard(zk: ZooKeeper, ref: BlobRef, signal?: AbortSignal): Promise<unknown>[] {
    const shard = shardPath(ref.sha256);
    if (this.#shards.has(shard)) return [];
    const sent = this.#create(zk, shard, Buffer.alloc(0), signal);
    void sent.then(
      () => this.#shards.add(shard),
      () => undefined, // told to whoever waits for the answers
    );
    return [sent];
  }

  /** Content-addressed: that it is there already is as good, and an answer that was lost is asked for again. */
  async #create(zk: ZooKeeper, path: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    try {
      await zk.create(path, bytes, { ...this.#acl, signal });
    } catch (error) {
      if (isCode(error, 'NODE_EXISTS')) return;
      if (isCode(error, 'CONNECTION_LOSS')) return this.#create(zk, path, bytes, signal);
      throw error;
    }
  }

  /** Writes what is missing, however much it is. */
  async upload(
    zk: ZooKeeper,
    sources: readonly BlobSource[],
    signal?: AbortSignal,
    progress?: UploadProgress,
  ): Promise<void> {
    const all = { blobs: sources.length, bytes: sources.reduce((sum, { size }) => sum + size, 0) };
    const done = { blobs: 0, bytes: 0 };
    const missing = await this.#missing(zk, sources, signal);
    for (const source of sources) {
      if (missing.has(source.sha256)) continue;
      done.blobs++;
      done.bytes += source.size;
    }
    const lane = new Lane(BYTES_UNDER_WAY);
    for (const source of missing.values()) {
      await lane.enter(source.size);
      const bytes = await readSource(source);
      lane.run(source.size, this.#write(zk, source, bytes, signal), () => {
        done.blobs++;
        done.bytes += source.size;
        progress?.(done, all);
      });
    }
    await lane.empty();
  }

  async #missing(
    zk: ZooKeeper,
    sources: readonly BlobSource[],
    signal?: AbortSignal,
  ): Promise<Map<string, BlobSource>> {
    const missing = new Map<string, BlobSource>();
    for (let at = 0; at < sources.length; at += LOOKS_UNDER_WAY) {
      const batch = sources.slice(at, at + LOOKS_UNDER_WAY);
      const stats = await Promise.all(batch.map(({ sha256 }) => zk.exists(blobPath(sha256), { signal })));
      for (const [index, source] of batch.entries())
        if (!isWhole(source, stats[index])) missing.set(source.sha256, source);
    }
    return missing;
  }

  async #write(zk: ZooKeeper, ref: BlobRef, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const count = chunkCount(ref);
    const sent = this.#sendShard(zk, ref, signal);
    sent.push(this.#create(zk, blobPath(ref.sha256), count === 0 ? bytes : Buffer.alloc(0), signal));
    for (let at = 0; at < count; at++) {
      sent.push(
        this.#create(zk, chunkPath(ref.sha256, at), bytes.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES), signal),
      );
    }
    await Promise.all(sent);
  }

  /** Every blob's address. */
  async list(zk: ZooKeeper): Promise<string[]> {
    await this.learnShards(zk);
    const names = await Promise.all([...this.#shards].map((shard) => zk.children(shard)));
    return names.flatMap(({ children }) => children);
  }
}

/** @throws StoreError CORRUPT when the content is not what its address says */
export async function readSource(source: BlobSource): Promise<Uint8Array> {
  const bytes = await source.read();
  if (bytes.byteLength !== source.size || sha256(bytes) !== source.sha256) {
    throw new StoreError(
      'CORRUPT',
      `content changed while it was published: it should have the hash ${source.sha256}; publish again`,
    );
  }
  return bytes;
}

/** Lets work run side by side until so many bytes are under way. */
class Lane {
  readonly #most: number;
  #under = 0;
  #failed: { error: unknown } | undefined;
  #left: () => void = () => undefined;

  constructor(most: number) {
    this.#most = most;
  }

  async enter(size: number): Promise<void> {
    while (this.#under > 0 && this.#under + size > this.#most) await this.#change();
    if (this.#failed) throw this.#failed.error;
  }

  run(size: number, work: Promise<void>, done: () => void): void {
    this.#under += size + 1;
    void work
      .then(done, (error) => {
        this.#failed ??= { error };
      })
      .finally(() => {
        this.#under -= size + 1;
        this.#left();
      });
  }

  async empty(): Promise<void> {
    while (this.#under > 0) await this.#change();
    if (this.#failed) throw this.#failed.error;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#left = resolve;
    });
  }
}
