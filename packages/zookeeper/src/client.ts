import type { Acl } from './acl.ts';
import { type AskOptions, ask } from './ask.ts';
import { checkVersion, createArguments, encodeOp, modeOf, toBytes } from './create.ts';
import { CONFIG_PATH, type EnsembleConfig, parseConfig } from './ensemble-config.ts';
import { ZooKeeperError } from './errors.ts';
import { awaitConnected } from './first-connect.ts';
import { followConfig } from './follow-config.ts';
import { tellMissed } from './missed.ts';
import {
  type CreateOptions,
  type Data,
  MULTI,
  MULTI_CHECK,
  MULTI_READ,
  type OpResult,
  type ReadOp,
  type ReadResult,
  type WriteOp,
} from './multi.ts';
import { type ConnectOptions, type ConnectTarget, checkAuth, readOptions } from './options.ts';
import { checkPath, parentOf, withChroot } from './paths.ts';
import {
  ALL_CHILDREN_NUMBER,
  type AuthInfo,
  CHILDREN,
  CREATE,
  type Created,
  DELETE,
  EXISTS,
  GET,
  GET_ACL,
  GET_EPHEMERALS,
  type NodeChildren,
  type NodeData,
  RECONFIG,
  SET,
  SET_ACL,
  SYNC,
  WHO_AM_I,
} from './protocol/operations.ts';
import type { Stat } from './protocol/records.ts';
import { protectName, recoverCreate } from './recover.ts';
import { serverName } from './servers.ts';
import { Session, type State } from './session.ts';
import { type WatchListener, watchOnce } from './watch-once.ts';
import { openWatch, removeUnwatched, type WatchKind } from './watch-stream.ts';
import type { WatchEvent, WatchMode } from './watch-table.ts';

export interface SessionInfo {
  readonly id: bigint;
  readonly password: Buffer;
  /** ms, as granted */
  readonly timeout: number;
}

export interface ReadOptions extends AskOptions {
  /** Called once when what was read changes; never, when the session ends before. */
  readonly watch?: WatchListener;
}

export interface WriteOptions extends AskOptions {
  /** Fail with BAD_VERSION unless the node has this version. -1, any, unless told otherwise. */
  readonly version?: number;
}

export interface CreateNodeOptions extends CreateOptions, AskOptions {
  /**
   * Puts a mark that no other create has into the name (`_c_UUID-name`), by which the node is found again when the
   * connection is lost before the answer: the create is then never ambiguous and never doubled.
   */
  readonly protected?: boolean;
}

export interface EnsureOptions extends AskOptions {
  /** Of each node that is missing. `OPEN` unless told otherwise. */
  readonly acl?: readonly Acl[];
}

export interface ReconfigOptions extends AskOptions {
  /** Lines `server.N=host:2888:3888:participant;host:2181`, or several. */
  readonly joining?: string | readonly string[];
  /** Ids of members that leave. */
  readonly leaving?: string | readonly (number | string)[];
  /** The whole new membership, instead of `joining` and `leaving`. */
  readonly newMembers?: string | readonly string[];
  /** The version of the configuration that the change starts from; another one fails with BAD_VERSION. */
  readonly fromConfig?: bigint;
}

export interface WatchOptions {
  /** `data` unless told otherwise. */
  readonly kind?: WatchKind;
  /** Ends the stream, as `break` does. */
  readonly signal?: AbortSignal;
}

/**
 * A client of a ZooKeeper ensemble, and its session.
 *
 * Requests are sent in the order of the calls, so they need not be awaited one by one. Without a connection they wait
 * for the next one, until the session expires or their `signal` fires. Reads that a lost connection took along are
 * asked again; writes fail with CONNECTION_LOSS and `ambiguous`, except ephemeral and protected creates, which are
 * looked for and done again if need be.
 */
export class ZooKeeper implements AsyncDisposable {
  readonly #session: Session;
  readonly #following = new AbortController();

  private constructor(session: Session) {
    this.#session = session;
    session.onReconnect = (zxid) => void tellMissed(session, zxid);
  }

  /**
   * Opens a session with one of `servers` (`h1:2181,h2:2181/chroot`).
   *
   * Throws CONNECT_TIMEOUT when none grants it in time (`cause` is the last failure), SESSION_EXPIRED when `session`
   * is over, AUTH_FAILED, BAD_ARGUMENTS, or ABORTED.
   */
  static async connect(servers: ConnectTarget, options: ConnectOptions = {}): Promise<ZooKeeper> {
    const settings = readOptions(servers, options);
    const session = new Session(settings);
    const zk = new ZooKeeper(session);
    await awaitConnected(session, settings.connectTimeout, settings.signal);
    if (settings.followConfig) void followConfig(session, settings, zk.#following.signal);
    return zk;
  }

  get state(): State {
    return this.#session.state;
  }

  /** Every change of the state from now on, in order; ends when the session has ended. */
  states(signal?: AbortSignal): AsyncIterableIterator<State, undefined> & AsyncDisposable {
    return this.#session.states(signal);
  }

  get session(): SessionInfo {
    const { id, password, timeout } = this.#session;
    return { id, password, timeout };
  }

  /** The server connected to now, as `host:port`. */
  get server(): string | undefined {
    const { server } = this.#session;
    return server === undefined ? undefined : serverName(server);
  }

  /** The servers that are tried, in their order. */
  get servers(): string[] {
    return this.#session.servers.map(serverName);
  }

  get chroot(): string {
    return this.#session.chroot;
  }

  /** Greatest transaction number seen by this session. */
  get zxid(): bigint {
    return this.#session.zxid;
  }

  /** ms since a server was last heard: how fresh `state` is. */
  get silence(): number {
    return this.#session.silence;
  }

  /** Why the last connection, or attempt to get one, failed. */
  get lastError(): ZooKeeperError | undefined {
    return this.#session.lastError;
  }

  /** Resolves when the session has ended: to its error, or to undefined after `close`. */
  get closed(): Promise<ZooKeeperError | undefined> {
    return this.#session.closed;
  }

  #full(path: string): string {
    checkPath(path);
    return withChroot(this.#session.chroot, path);
  }

  /** Creates a node; `path` in the result carries the number of a sequential one. */
  create(path: string, data?: Data, options?: CreateNodeOptions): Promise<Created> {
    const session = this.#session;
    const marked = options?.protected === true;
    let mode: ReturnType<typeof modeOf>;
    let named: string;
    try {
      mode = modeOf(options);
      checkPath(path, mode.sequential);
      named = marked ? protectName(path) : path;
    } catch (error) {
      return Promise.reject(error);
    }
    const safe = marked ? 'name' : mode.ephemeral && !mode.sequential ? 'owner' : undefined;
    const hooks = safe === undefined ? undefined : { onLost: recoverCreate(session, safe) };
    const build = () => createArguments(session.chroot, named, data, options);
    return ask(session, mode.operation, named, build, options, hooks);
  }

  get(path: string, options?: ReadOptions): Promise<NodeData> {
    const build = () => ({ path: this.#full(path), watch: options?.watch !== undefined });
    return ask(this.#session, GET, path, build, options, this.#watchHooks(path, options?.watch, 'data'));
  }

  set(path: string, data: Data, options?: WriteOptions): Promise<Stat> {
    const build = () => ({
      path: this.#full(path),
      data: toBytes(data),
      version: checkVersion(path, options?.version),
    });
    return ask(this.#session, SET, path, build, options);
  }

  /** The node's stat, or undefined when it does not exist. */
  exists(path: string, options?: ReadOptions): Promise<Stat | undefined> {
    const build = () => ({ path: this.#full(path), watch: options?.watch !== undefined });
    return ask(this.#session, EXISTS, path, build, options, this.#watchHooks(path, options?.watch, 'data', 'exists'));
  }

  /** Deletes a node that has no children. */
  delete(path: string, options?: WriteOptions): Promise<void> {
    const build = () => ({ path: this.#full(path), version: checkVersion(path, options?.version) });
    return ask(this.#session, DELETE, path, build, options);
  }

  /** The names of the children, in no order. */
  children(path: string, options?: ReadOptions): Promise<NodeChildren> {
    const build = () => ({ path: this.#full(path), watch: options?.watch !== undefined });
    return ask(this.#session, CHILDREN, path, build, options, this.#watchHooks(path, options?.watch, 'children'));
  }

  #watchHooks(path: string, listener: WatchListener | undefined, present: WatchMode, absent?: WatchMode) {
    const { chroot } = this.#session;
    return listener && watchOnce(this.#session, withChroot(chroot, path), listener, present, absent);
  }

  getAcl(path: string, options?: AskOptions): Promise<{ acl: Acl[]; stat: Stat }> {
    return ask(this.#session, GET_ACL, path, () => ({ path: this.#full(path) }), options);
  }

  /** `version` is compared with the stat's `aversion`. */
  setAcl(path: string, acl: readonly Acl[], options?: WriteOptions): Promise<Stat> {
    const build = () => ({ path: this.#full(path), acl, version: checkVersion(path, options?.version) });
    return ask(this.#session, SET_ACL, path, build, options);
  }

  /** Lets the server catch up with the leader: reads after it see every write that was acknowledged before it. */
  sync(path = '/', options?: AskOptions): Promise<void> {
    return ask(this.#session, SYNC, path, () => ({ path: this.#full(path) }), options);
  }

  /** Who the server takes this session for. 3.7 and later. */
  whoami(options?: AskOptions): Promise<AuthInfo[]> {
    return ask(this.#session, WHO_AM_I, '/', () => undefined, options);
  }

  /** The ephemeral nodes of this session whose paths start with `prefix`. 3.6 and later. */
  getEphemerals(prefix = '/', options?: AskOptions): Promise<string[]> {
    return ask(this.#session, GET_EPHEMERALS, prefix, () => ({ path: this.#full(prefix) }), options);
  }

  /** How many nodes there are below this one. 3.6 and later. */
  allChildrenNumber(path: string, options?: AskOptions): Promise<number> {
    return ask(this.#session, ALL_CHILDREN_NUMBER, path, () => ({ path: this.#full(path) }), options);
  }

  /** The ensemble's configuration, whatever the chroot. */
  async getConfig(options?: ReadOptions): Promise<NodeData & EnsembleConfig> {
    const listener = options?.watch;
    const build = () => ({ path: CONFIG_PATH, watch: listener !== undefined });
    const hooks = listener && watchOnce(this.#session, CONFIG_PATH, listener, 'data');
    const read = await ask(this.#session, GET, CONFIG_PATH, build, options, hooks);
    return { ...read, ...parseConfig(read.data.toString()) };
  }

  /** Changes the membership; resolves to the new configuration. */
  async reconfig(change: ReconfigOptions): Promise<NodeData & EnsembleConfig> {
    const build = () => ({
      joining: list(change.joining),
      leaving: list(change.leaving),
      members: list(change.newMembers),
      fromConfig: change.fromConfig ?? -1n,
    });
    const read = await ask(this.#session, RECONFIG, CONFIG_PATH, build, change);
    return { ...read, ...parseConfig(read.data.toString()) };
  }

  /** Authenticates this session on top of what it is. A refusal ends the session with AUTH_FAILED. */
  async addAuth(scheme: string, auth: string | Uint8Array): Promise<void> {
    const checked = checkAuth(scheme, auth);
    await this.#session.addAuth(checked.scheme, checked.auth);
  }

  /** Creates the node and what is missing above it, without data. Others may do the same at the same time. */
  async ensure(path: string, options?: EnsureOptions): Promise<void> {
    checkPath(path);
    // Read first: it is cheap, and asks for no right to create what is there.
    if ((await this.exists(path, options)) !== undefined) return;
    const above = parentOf(path);
    if (path !== '/') await this.ensure(above, options);
    else if (this.chroot === '') return;
    await this.#ensureOne(path, options);
  }

  async #ensureOne(path: string, options: EnsureOptions | undefined): Promise<void> {
    const chrootAbove = path === '/' ? parentOf(this.chroot) : undefined;
    try {
      if (chrootAbove !== undefined) await this.#ensureAboveChroot(chrootAbove, options);
      await this.create(path, undefined, options);
    } catch (error) {
      if (!(error instanceof ZooKeeperError)) throw error;
      if (error.code === 'NODE_EXISTS') return;
      // An empty node that is there or not: asking again can do no harm.
      if (error.code === 'CONNECTION_LOSS') return this.ensure(path, options);
      throw error;
    }
  }

  async #ensureAboveChroot(full: string, options: EnsureOptions | undefined): Promise<void> {
    if (full === '/') return;
    await this.#ensureAboveChroot(parentOf(full), options);
    const build = () => createArguments('', full, undefined, options);
    await ask(this.#session, CREATE, full, build, options).catch((error) => {
      if (error.code !== 'NODE_EXISTS') throw error;
    });
  }

  /**
   * Applies all operations or none. A failure throws the error of the operation that failed: `index` tells which,
   * `results` what became of each.
   */
  async multi(ops: readonly WriteOp[], options?: AskOptions): Promise<OpResult[]> {
    if (ops.length === 0) return [];
    const { chroot } = this.#session;
    const operation = ops.every((each) => each.type === 'check') ? MULTI_CHECK : MULTI;
    const build = () => ops.map((each) => encodeOp(chroot, each));
    const results = await ask(this.#session, operation, ops[0]!.path, build, options);
    if (results.some((result) => result.type === 'error')) throw multiError(ops, results);
    return results;
  }

  /** Reads several nodes as of one moment; each result is a value or the error of that read. 3.6 and later. */
  async multiRead(ops: readonly ReadOp[], options?: AskOptions): Promise<ReadResult[]> {
    if (ops.length === 0) return [];
    const build = () =>
      ops.map(({ type, path }) => ({ code: type === 'get' ? 4 : 8, path: this.#full(path) }) as const);
    return ask(this.#session, MULTI_READ, ops[0]!.path, build, options);
  }

  /**
   * The changes of a node, as a stream that outlives reconnects and ends with the session: it returns after `close`
   * and throws SESSION_EXPIRED (or what else ended the session). The watch is on its way when this returns, so what is
   * read afterwards is covered by it.
   *
   * `data` and `exists` tell when the node is created, changed or deleted; `children` when its set of children changes
   * or it is created or deleted; the persistent kinds (3.6 and later) tell every change, of the node and its set of
   * children, or of all nodes below it. Several changes may come as one event, but the fact of a change is never lost.
   */
  watch(path: string, options: WatchOptions = {}): AsyncIterableIterator<WatchEvent, undefined> & AsyncDisposable {
    return openWatch(this.#session, this.#full(path), options.kind ?? 'data', options.signal);
  }

  /** Ends every watch that this client has at this path. NO_WATCHER when it has none. */
  async removeWatches(path: string): Promise<void> {
    const full = this.#full(path);
    const watchers = this.#session.watches.takeAll(full);
    if (watchers.size === 0) {
      const message = `removeWatches ${path}: this client has no watch there (NO_WATCHER)`;
      throw new ZooKeeperError('NO_WATCHER', message, { path, operation: 'removeWatches' });
    }
    for (const watcher of watchers) watcher.end(undefined);
    removeUnwatched(this.#session, full);
  }

  /** Ends the session, after what was asked for before. Its ephemeral nodes and watches go with it. */
  async close(): Promise<void> {
    this.#following.abort();
    await this.#session.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** What the operations before and after the failed one get. */
const INNOCENT = new Set(['OK', 'RUNTIME_INCONSISTENCY']);

function multiError(ops: readonly WriteOp[], results: readonly OpResult[]): ZooKeeperError {
  const index = Math.max(
    0,
    results.findIndex((result) => result.type === 'error' && !INNOCENT.has(result.code)),
  );
  const failed = results[index]!;
  const { type, path } = ops[index]!;
  const code = failed.type === 'error' && failed.code !== 'OK' ? failed.code : 'UNKNOWN';
  const message = `multi: operation ${index}, ${type} ${path}, failed (${code}); nothing was applied`;
  return new ZooKeeperError(code, message, { operation: 'multi', path, results, index });
}

function list(value: string | readonly (string | number)[] | undefined): string | undefined {
  return value === undefined || typeof value === 'string' ? value : value.join(',');
}
