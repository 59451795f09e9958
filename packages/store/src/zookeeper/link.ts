import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectOptions, ZooKeeper } from '@quorate/zookeeper';

/** ms between attempts to open a session again, each made longer or shorter by half at random */
const AGAIN_MS = 1000;

/** A connection to an ensemble that outlives its sessions: when one has expired, whoever comes next opens another. */
export class Link {
  readonly #servers: string;
  readonly #options: ConnectOptions;
  readonly #closed = new AbortController();
  #session: Promise<ZooKeeper> | undefined;
  /** Told of each new session before anybody else uses it. */
  onSession: (zk: ZooKeeper) => Promise<void> = async () => undefined;

  constructor(servers: string, options: ConnectOptions) {
    this.#servers = servers;
    this.#options = options;
  }

  /** A session that has not ended. @throws ZooKeeperError when none is granted in time */
  async session(): Promise<ZooKeeper> {
    this.#closed.signal.throwIfAborted();
    const known = await this.#session?.catch(() => undefined); // that attempt was told to its own caller
    if (known && known.state !== 'expired' && known.state !== 'closed' && known.state !== 'auth-failed') return known;
    this.#session = this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#session;
  }

  #connecting: Promise<ZooKeeper> | undefined;

  async #connect(): Promise<ZooKeeper> {
    const zk = await ZooKeeper.connect(this.#servers, { ...this.#options, signal: this.#closed.signal });
    await this.onSession(zk);
    return zk;
  }

  /** A session, for as long as it takes. `failed` is told of each attempt that was in vain. */
  async patiently(signal: AbortSignal, failed: (error: Error) => void): Promise<ZooKeeper> {
    const ends = AbortSignal.any([signal, this.#closed.signal]);
    for (;;) {
      ends.throwIfAborted();
      try {
        return await this.session();
      } catch (error) {
        ends.throwIfAborted();
        failed(error as Error);
        await delay(AGAIN_MS * (0.5 + Math.random()), undefined, { signal: ends });
      }
    }
  }

  get closing(): AbortSignal {
    return this.#closed.signal;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    const zk = await this.#session?.catch(() => undefined); // never opened: nothing to close
    await zk?.close();
  }
}
