import type { Writer } from './protocol/writer.ts';

/** The kinds of watch that a server tells apart. */
export type WatchMode = 'data' | 'exists' | 'children' | 'persistent' | 'persistent_recursive';

export interface WatchEvent {
  readonly type: 'created' | 'deleted' | 'changed' | 'children';
  readonly path: string;
  /** The transaction that caused it; servers before 3.9 do not tell, and what was found after a reconnect has none. */
  readonly zxid?: bigint;
}

export interface Watcher {
  /** `path` is the server's, with the chroot. */
  notify(type: WatchEvent['type'], path: string, zxid: bigint | undefined): void;
  /** The watch is gone: removed by the caller (no error), or the session ended. */
  end(error: unknown): void;
}

const TYPES: readonly (WatchEvent['type'] | undefined)[] = [undefined, 'created', 'deleted', 'changed', 'children'];
const ONCE: readonly WatchMode[] = ['data', 'exists', 'children'];
const MODES: readonly WatchMode[] = [...ONCE, 'persistent', 'persistent_recursive'];
/** Bytes of paths in one request: a server refuses requests of a megabyte (the Java client's figure). */
const CHUNK = 128 * 1024;
const SET_WATCHES = 101;
const SET_WATCHES_2 = 105;

export interface WatchBatch {
  readonly code: number;
  encode(writer: Writer): void;
}

/** Which watches this session has, by mode and path: what the servers hold, held here too, to be set again elsewhere. */
export class WatchTable {
  readonly #modes: Record<WatchMode, Map<string, Set<Watcher>>> = {
    data: new Map(),
    exists: new Map(),
    children: new Map(),
    persistent: new Map(),
    persistent_recursive: new Map(),
  };
  /** How many requests that will set a watch are in flight, by path: until they are answered nothing is removed there. */
  readonly #coming = new Map<string, number>();
  /** Streams that are open, by path: between an event and the next arming they stand under no mode. */
  readonly #streams = new Map<string, Set<Watcher>>();
  /** The watcher of each listener: one that is given with many reads is held once. */
  readonly #listeners = new WeakMap<object, Watcher>();

  add(mode: WatchMode, path: string, watcher: Watcher): void {
    addTo(this.#modes[mode], path, watcher);
  }

  /** Takes the watcher off every mode of this path. */
  remove(path: string, watcher: Watcher): void {
    for (const mode of MODES) {
      const watchers = this.#modes[mode].get(path);
      if (watchers?.delete(watcher) && watchers.size === 0) this.#modes[mode].delete(path);
    }
  }

  has(mode: WatchMode, path: string): boolean {
    return this.#modes[mode].has(path);
  }

  /** Whether anything is watched at this path, or about to be. */
  watched(path: string): boolean {
    return this.#coming.has(path) || MODES.some((mode) => this.#modes[mode].has(path));
  }

  /** A request that sets a watch at this path was sent. */
  expect(path: string): void {
    this.#coming.set(path, (this.#coming.get(path) ?? 0) + 1);
  }

  /** It was answered. */
  arrived(path: string): void {
    const left = (this.#coming.get(path) ?? 1) - 1;
    if (left === 0) this.#coming.delete(path);
    else this.#coming.set(path, left);
  }

  /** The connection is lost, and with it all that was in flight. */
  expectNothing(): void {
    this.#coming.clear();
  }

  opened(path: string, stream: Watcher): void {
    addTo(this.#streams, path, stream);
  }

  left(path: string, stream: Watcher): void {
    const streams = this.#streams.get(path);
    if (streams?.delete(stream) && streams.size === 0) this.#streams.delete(path);
  }

  /** The watcher of a listener, made when it is first met. */
  watcherOf(listener: object, make: () => Watcher): Watcher {
    const known = this.#listeners.get(listener);
    if (known !== undefined) return known;
    const made = make();
    this.#listeners.set(listener, made);
    return made;
  }

  /** Everyone who watches this path, armed or not; they are taken off. */
  takeAll(path: string): Set<Watcher> {
    const taken = this.take(path, MODES);
    for (const stream of this.#streams.get(path) ?? []) taken.add(stream);
    return taken;
  }

  /** Everyone who watches this path in one of `modes`; they are taken off. */
  take(path: string, modes: readonly WatchMode[]): Set<Watcher> {
    const taken = new Set<Watcher>();
    for (const mode of modes) {
      for (const watcher of this.#modes[mode].get(path) ?? []) taken.add(watcher);
      this.#modes[mode].delete(path);
    }
    return taken;
  }

  /** Tells those concerned. One-time watches are used up by it, on the server too. */
  dispatch(wireType: number, path: string, zxid: bigint | undefined): void {
    const type = TYPES[wireType];
    // 5 to 7 confirm the removal of a watch, of which the one who removed it knows.
    if (type === undefined) return;
    const concerned = this.take(path, onceModes(type));
    for (const watcher of this.#modes.persistent.get(path) ?? []) concerned.add(watcher);
    if (type !== 'children') this.#addRecursive(path, concerned);
    for (const watcher of concerned) watcher.notify(type, path, zxid);
  }

  #addRecursive(path: string, concerned: Set<Watcher>): void {
    const recursive = this.#modes.persistent_recursive;
    if (recursive.size === 0) return;
    for (let at = path; ; at = at.slice(0, Math.max(1, at.lastIndexOf('/')))) {
      for (const watcher of recursive.get(at) ?? []) concerned.add(watcher);
      if (at === '/') return;
    }
  }

  /** The persistent watches: a server sets them again, but does not tell what was missed. */
  *persistent(): Iterable<{ path: string; recursive: boolean; watchers: ReadonlySet<Watcher> }> {
    for (const [path, watchers] of this.#modes.persistent) yield { path, recursive: false, watchers };
    for (const [path, watchers] of this.#modes.persistent_recursive) yield { path, recursive: true, watchers };
  }

  /** The requests that set all watches again; the server tells at once which have fired since `zxid`. */
  batches(zxid: bigint): WatchBatch[] {
    const entries = MODES.flatMap((mode) => [...this.#modes[mode].keys()].map((path) => ({ mode, path })));
    const persistent = this.#modes.persistent.size + this.#modes.persistent_recursive.size > 0;
    const batches: WatchBatch[] = [];
    let batch = new Map<WatchMode, string[]>();
    let bytes = 0;
    for (const { mode, path } of entries) {
      const size = 4 + Buffer.byteLength(path);
      if (bytes > 0 && bytes + size > CHUNK) {
        batches.push(watchBatch(zxid, batch, persistent));
        batch = new Map();
        bytes = 0;
      }
      const paths = batch.get(mode);
      if (paths === undefined) batch.set(mode, [path]);
      else paths.push(path);
      bytes += size;
    }
    if (bytes > 0) batches.push(watchBatch(zxid, batch, persistent));
    return batches;
  }

  endAll(error: unknown): void {
    const all = new Set<Watcher>();
    for (const mode of MODES) {
      for (const watchers of this.#modes[mode].values()) for (const watcher of watchers) all.add(watcher);
      this.#modes[mode].clear();
    }
    for (const streams of this.#streams.values()) for (const stream of streams) all.add(stream);
    for (const watcher of all) watcher.end(error);
  }
}

function addTo(paths: Map<string, Set<Watcher>>, path: string, watcher: Watcher): void {
  const watchers = paths.get(path);
  if (watchers === undefined) paths.set(path, new Set([watcher]));
  else watchers.add(watcher);
}

function onceModes(type: WatchEvent['type']): readonly WatchMode[] {
  if (type === 'children') return ['children'];
  return type === 'deleted' ? ONCE : ['data', 'exists'];
}

/** Servers before 3.6 only know the one-time kinds. */
function watchBatch(zxid: bigint, batch: ReadonlyMap<WatchMode, string[]>, persistent: boolean): WatchBatch {
  return {
    code: persistent ? SET_WATCHES_2 : SET_WATCHES,
    encode(writer) {
      writer.long(zxid);
      for (const mode of persistent ? MODES : ONCE) writer.strings(batch.get(mode) ?? []);
    },
  };
}
