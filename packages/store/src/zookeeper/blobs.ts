import { type BlobRef, sha256 } from '@quorate/model';
import type { Stat, ZooKeeper } from '@quorate/zookeeper';
import { readSource } from '../content.ts';
import { StoreError } from '../errors.ts';
import type { BlobSource, UploadProgress } from '../store.ts';
import type { AclOption } from './acls.ts';
import { isCode } from './errors.ts';
import { Lane } from './lane.ts';
import { childrenOf, createFixed } from './missing.ts';
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
  readonly #acl: AclOption;
  /** shards that are known to be there: they are never removed */
  readonly #shards = new Set<string>();

  constructor(acl: AclOption) {
    this.#acl = acl;
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
    for (const name of await childrenOf(zk, BLOBS)) this.#shards.add(`${BLOBS}/${name}`);
  }

  /**
   * Sends the creates of small blobs without waiting for their answers: what is sent after them is executed after them.
   * @returns the answers, in case somebody wants to know why something is not there
   */
  send(zk: ZooKeeper, contents: readonly { ref: BlobRef; bytes: Uint8Array }[]): Promise<unknown>[] {
    return contents.flatMap(({ ref, bytes }) => [
      ...this.#sendShard(zk, ref),
      createFixed(zk, blobPath(ref.sha256), bytes, this.#acl),
    ]);
  }

  #sendShard(zk: ZooKeeper, ref: BlobRef, signal?: AbortSignal): Promise<unknown>[] {
    const shard = shardPath(ref.sha256);
    if (this.#shards.has(shard)) return [];
    const sent = createFixed(zk, shard, '', { ...this.#acl, signal });
    void sent.then(
      () => this.#shards.add(shard),
      () => undefined, // told to whoever waits for the answers
    );
    return [sent];
  }

  /** Writes what is missing, however much it is. What an earlier attempt has written in part is completed. */
  async upload(
    zk: ZooKeeper,
    sources: readonly BlobSource[],
    signal?: AbortSignal,
    progress?: UploadProgress,
  ): Promise<void> {
    const all = { blobs: sources.length, bytes: sources.reduce((sum, { size }) => sum + size, 0) };
    const missing = await this.#missing(zk, sources, signal);
    const done = { blobs: all.blobs - missing.length, bytes: missing.reduce((sum, { size }) => sum - size, all.bytes) };
    progress?.({ ...done }, all);
    await using lane = new Lane(BYTES_UNDER_WAY);
    for (const source of missing) {
      signal?.throwIfAborted();
      await this.#write(zk, source, lane, signal, (bytes, whole) => {
        done.bytes += bytes;
        if (whole) done.blobs++;
        progress?.({ ...done }, all);
      });
    }
    await lane.empty();
  }

  async #missing(zk: ZooKeeper, sources: readonly BlobSource[], signal?: AbortSignal): Promise<BlobSource[]> {
    const missing: BlobSource[] = [];
    for (let at = 0; at < sources.length; at += LOOKS_UNDER_WAY) {
      const batch = sources.slice(at, at + LOOKS_UNDER_WAY);
      const stats = await Promise.all(batch.map(({ sha256 }) => zk.exists(blobPath(sha256), { signal })));
      missing.push(...batch.filter((source, index) => !isWhole(source, stats[index])));
    }
    return missing;
  }

  /** The blob's node, then its chunks: sent in this order, so that each finds the node above it. */
  async #write(
    zk: ZooKeeper,
    source: BlobSource,
    lane: Lane,
    signal: AbortSignal | undefined,
    written: (bytes: number, whole: boolean) => void,
  ): Promise<void> {
    await lane.enter(Math.min(source.size, CHUNK_BYTES));
    const bytes = await readSource(source);
    const options = { ...this.#acl, signal };
    const path = blobPath(source.sha256);
    const count = chunkCount(source);
    const node = [...this.#sendShard(zk, source, signal), createFixed(zk, path, count === 0 ? bytes : '', options)];
    lane.run(count === 0 ? source.size : 0, Promise.all(node), () => count === 0 && written(source.size, true));
    for (let at = 0, left = count; at < count; at++) {
      const chunk = bytes.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES);
      await lane.enter(chunk.byteLength);
      const sent = createFixed(zk, chunkPath(source.sha256, at), chunk, options);
      lane.run(chunk.byteLength, sent, () => written(chunk.byteLength, --left === 0));
    }
  }

  /** Every blob's address. */
  async list(zk: ZooKeeper): Promise<string[]> {
    const shards = await childrenOf(zk, BLOBS);
    const names = await Promise.all(shards.map((shard) => childrenOf(zk, `${BLOBS}/${shard}`)));
    return names.flat().filter((name) => /^[0-9a-f]{64}$/.test(name));
  }
}
