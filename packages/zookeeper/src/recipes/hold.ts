import type { ZooKeeper } from '../client.ts';
import { ZooKeeperError } from '../errors.ts';

/**
 * What is held: a lock or a leadership, until it is given back or lost.
 *
 * `signal` fires before anyone else can hold it: when the node or the session is gone, and already when no server was
 * heard for five sixths of the session's time-out, since the ensemble may give it to another after the whole of it. A
 * sixth is left for delays of messages; work that must be safe beyond that names its `token` to what it writes to.
 */
export class Hold implements AsyncDisposable {
  /** The node in ZooKeeper. */
  readonly path: string;
  /** Grows from holder to holder: what is written to can refuse a smaller one (a fencing token). */
  readonly token: bigint;
  readonly #zk: ZooKeeper;
  readonly #lost = new AbortController();
  readonly #watching = new AbortController();
  #doubt: NodeJS.Timeout | undefined;
  #released: Promise<void> | undefined;

  constructor(zk: ZooKeeper, path: string, token: bigint) {
    this.#zk = zk;
    this.path = path;
    this.token = token;
    void this.#watchState();
    void this.#watchNode();
  }

  /** Fires when it is lost; the reason is a ZooKeeperError with the code LOCK_LOST. Also after `release`. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  async #watchState(): Promise<void> {
    const states = this.#zk.states(this.#watching.signal);
    if (this.#zk.state !== 'connected') this.#startDoubt();
    for await (const state of states) {
      if (state !== 'connected') this.#startDoubt();
      else this.#endDoubt();
    }
    if (!this.#watching.signal.aborted) this.#lose('the session has ended');
  }

  /** Counts from the last word of a server with a quorum: one without, heard later, changes nothing. */
  #startDoubt(): void {
    if (this.#doubt !== undefined) return;
    const left = (this.#zk.session.timeout * 5) / 6 - this.#zk.silence;
    this.#doubt = setTimeout(() => this.#lose('no server was reached in time'), Math.max(0, left));
  }

  #endDoubt(): void {
    clearTimeout(this.#doubt);
    this.#doubt = undefined;
  }

  async #watchNode(): Promise<void> {
    try {
      const changes = this.#zk.watch(this.path, { kind: 'exists', signal: this.#watching.signal });
      if ((await this.#zk.exists(this.path)) === undefined) this.#lose('its node is gone');
      for await (const { type } of changes) if (type === 'deleted') this.#lose('its node was deleted');
    } catch (error) {
      this.#lose('its node cannot be watched', error);
    }
  }

  #lose(why: string, cause?: unknown): void {
    this.#stop();
    if (this.signal.aborted) return;
    const message = `${this.path} is not held any more: ${why}; stop what it protected`;
    this.#lost.abort(new ZooKeeperError('LOCK_LOST', message, { path: this.path, cause }));
    // Where only the doubt ended it, the node still stands and would hold up the others. It is deleted as soon as a
    // server is reached; if that fails, it ends with the session.
    this.#released ??= leave(this.#zk, this.path).catch(() => {});
  }

  #stop(): void {
    this.#endDoubt();
    this.#watching.abort();
  }

  /** Gives it back. Does nothing when it is lost already. */
  release(): Promise<void> {
    this.#stop();
    this.#released ??= leave(this.#zk, this.path).finally(() => {
      const message = `${this.path} was released`;
      this.#lost.abort(new ZooKeeperError('LOCK_LOST', message, { path: this.path }));
    });
    return this.#released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

/** Gives up the place. A session that has ended has given it up already. */
export async function leave(zk: ZooKeeper, path: string): Promise<void> {
  for (;;) {
    try {
      await zk.delete(path);
      return;
    } catch (error) {
      if (!(error instanceof ZooKeeperError)) throw error;
      // Deleting one's own node twice does no harm; the name is never given again.
      if (error.code === 'CONNECTION_LOSS') continue;
      if (error.code === 'NO_NODE' || error.code === 'SESSION_EXPIRED' || error.code === 'CLOSED') return;
      throw error;
    }
  }
}
