import type { ZooKeeper } from '../client.ts';
import { ZooKeeperError } from '../errors.ts';
import { EventQueue } from '../event-queue.ts';
import { childOf, nameOf, parentOf } from '../paths.ts';
import type { Stat } from '../protocol/records.ts';

export interface CachedNode {
  readonly data: Buffer;
  /** As of the last change of the data: what tells of children may be older than `children`. */
  readonly stat: Stat;
}

export interface TreeChange {
  readonly type: 'added' | 'updated' | 'removed';
  readonly path: string;
  /** The node as it is now; as it was, when it was removed. */
  readonly node: CachedNode;
}

/** Reads that are under way together while the tree is loaded. */
const WIDTH = 256;

/**
 * A copy of a tree of nodes that keeps itself up to date, over reconnects too. Reads are answered from memory; they
 * may be behind the ensemble, and nodes change one by one. A node that this session may not read ends it with NO_AUTH,
 * for it would not be a copy. ZooKeeper 3.6 and later.
 *
 * @example
 * await using cache = await TreeCache.open(zk, '/config');
 * cache.get('/config/port')?.data.toString();
 * for await (const { type, path } of cache.changes()) console.log(type, path);
 */
export class TreeCache implements AsyncDisposable {
  readonly root: string;
  /** Resolves when the cache has ended: to the error that ended the session, or to undefined after `close`. */
  readonly closed: Promise<unknown>;
  readonly #zk: ZooKeeper;
  readonly #nodes = new Map<string, CachedNode>();
  /** Names of the cached children, by the path of the parent. */
  readonly #children = new Map<string, Set<string>>();
  readonly #listeners = new Set<EventQueue<TreeChange>>();
  readonly #stop = new AbortController();
  /** Paths that are being read, and whether they changed again meanwhile. */
  readonly #reading = new Map<string, { again: boolean; done: Promise<void> }>();

  #failure: unknown;

  private constructor(zk: ZooKeeper, root: string) {
    this.#zk = zk;
    this.root = root;
    const events = zk.watch(root, { kind: 'persistent_recursive', signal: this.#stop.signal });
    this.closed = this.#follow(events);
  }

  /** Resolves when the whole tree was read. A root that does not exist is an empty tree, and waited for. */
  static async open(zk: ZooKeeper, root: string): Promise<TreeCache> {
    const cache = new TreeCache(zk, root);
    try {
      await cache.#load([root]);
      return cache;
    } catch (error) {
      await cache.close();
      throw error;
    }
  }

  async #follow(events: AsyncIterable<{ type: string; path: string }>): Promise<unknown> {
    try {
      for await (const { type, path } of events) {
        // A node's data, or its existence; or, after a reconnect, its set of children.
        if (type === 'children') this.#inBackground(this.#compareChildren(path));
        else this.#inBackground(this.#read(path));
      }
    } catch (error) {
      this.#failure ??= error;
    }
    this.#stop.abort();
    for (const listener of this.#listeners) listener.finish(this.#failure);
    this.#listeners.clear();
    return this.#failure;
  }

  /** A read that fails for good ends the cache: it could not promise to be up to date any more. */
  #inBackground(work: Promise<void>): void {
    work.catch((error) => {
      if (!(error instanceof ZooKeeperError) || error.code !== 'CLOSED') this.#failure ??= error;
      this.#stop.abort();
    });
  }

  async #load(paths: readonly string[]): Promise<void> {
    let level = [...paths];
    while (level.length > 0) {
      const next: string[] = [];
      for (let at = 0; at < level.length; at += WIDTH) {
        const some = level.slice(at, at + WIDTH);
        const lists = await Promise.all(some.map((path) => Promise.all([this.#read(path), this.#list(path)])));
        for (const [index, [, names]] of lists.entries()) {
          for (const name of names) next.push(childOf(some[index]!, name));
        }
      }
      level = next;
    }
  }

  async #list(path: string): Promise<string[]> {
    return (await absentAs(undefined, this.#zk.children(path)))?.children ?? [];
  }

  async #compareChildren(path: string): Promise<void> {
    const names = new Set(await this.#list(path));
    const known = this.#children.get(path) ?? new Set<string>();
    const added = [...names].filter((name) => !known.has(name));
    const removed = [...known].filter((name) => !names.has(name));
    await this.#load([...added, ...removed].map((name) => childOf(path, name)));
  }

  /** Reads a node after everything that was told of it: a read under way may be older and is followed by another. */
  #read(path: string): Promise<void> {
    const reading = this.#reading.get(path);
    if (reading !== undefined) {
      reading.again = true;
      return reading.done;
    }
    const entry = { again: true, done: Promise.resolve() };
    this.#reading.set(path, entry);
    entry.done = this.#readUntilSettled(path, entry).finally(() => this.#reading.delete(path));
    return entry.done;
  }

  async #readUntilSettled(path: string, entry: { again: boolean }): Promise<void> {
    while (entry.again) {
      entry.again = false;
      const node = await absentAs(undefined, this.#zk.get(path));
      if (node === undefined) this.#remove(path);
      else this.#store(path, node);
    }
  }

  #store(path: string, node: CachedNode): void {
    const known = this.#nodes.get(path);
    this.#nodes.set(path, node);
    if (path !== this.root) this.#namesBelow(parentOf(path)).add(nameOf(path));
    if (known === undefined) this.#tell({ type: 'added', path, node });
    else if (known.stat.mzxid !== node.stat.mzxid || known.stat.czxid !== node.stat.czxid) {
      this.#tell({ type: 'updated', path, node });
    }
  }

  #namesBelow(path: string): Set<string> {
    const known = this.#children.get(path);
    if (known !== undefined) return known;
    const names = new Set<string>();
    this.#children.set(path, names);
    return names;
  }

  #remove(path: string): void {
    for (const name of this.#children.get(path) ?? []) this.#remove(childOf(path, name));
    this.#children.delete(path);
    if (path !== this.root) this.#children.get(parentOf(path))?.delete(nameOf(path));
    const node = this.#nodes.get(path);
    if (node === undefined) return;
    this.#nodes.delete(path);
    this.#tell({ type: 'removed', path, node });
  }

  #tell(change: TreeChange): void {
    for (const listener of this.#listeners) listener.push(change);
  }

  get(path: string): CachedNode | undefined {
    return this.#nodes.get(path);
  }

  /** Names of the children; undefined when the node does not exist. */
  children(path: string): string[] | undefined {
    return this.#nodes.has(path) ? [...(this.#children.get(path) ?? [])] : undefined;
  }

  /** Every path of the tree. */
  paths(): string[] {
    return [...this.#nodes.keys()];
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** What changes from now on. A slow reader gets the latest change of each path. Ends with the cache. */
  changes(signal?: AbortSignal): AsyncIterableIterator<TreeChange, undefined> & AsyncDisposable {
    const hooks = { left: () => this.#listeners.delete(queue), key: (change: TreeChange) => change.path };
    const queue: EventQueue<TreeChange> = new EventQueue(hooks, signal);
    if (this.#stop.signal.aborted) queue.finish(this.#failure);
    else if (!queue.ended) this.#listeners.add(queue);
    return queue;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function absentAs<T, U>(absent: U, read: Promise<T>): Promise<T | U> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof ZooKeeperError && error.code === 'NO_NODE') return absent;
    throw error;
  }
}
