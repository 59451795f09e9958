import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectOptions, ZooKeeper } from '@quorate/zookeeper';

/** ms between attempts to open a session again, each made longer or shorter by half at random */
const AGAIN_MS = 1000;

/** A connection to an ensemble that outlives its sessions: when one has expired, whoever comes next opens another. */
export class Link {
  readonly #servers: () => Promise<string>;
  readonly #options: ConnectOptions;
  readonly #closed = new AbortController();
  #session: Promise<ZooKeeper> | undefined;
  #connecting: Promise<ZooKeeper> | undefined;
  /** Told of each new session before anybody else uses it. */
  onSession: (zk: ZooKeeper) => Promise<void> = async () => undefined;

  /** @param servers `host:port,…/chroot`, asked for before each session: machines come and go */
  constructor(servers: () => Promise<string>, options: ConnectOptions) {
    this.#servers = servers;
    this.#options = options;
  }

  /** A session that has not ended. @throws ZooKeeperError when none is granted in time; the signal's reason */
  session(signal?: AbortSignal): Promise<ZooKeeper> {
    return signal ? orAborted(this.#current(), signal) : this.#current();
  }

  async #current(): Promise<ZooKeeper> {
    this.#closed.signal.throwIfAborted();
    const known = await this.#session?.catch(() => undefined); // that attempt was told to its own caller
    if (known && known.state !== 'expired' && known.state !== 'closed' && known.state !== 'auth-failed') return known;
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    this.#session = this.#connecting;
    return this.#session;
  }

  async #connect(): Promise<ZooKeeper> {
    const zk = await ZooKeeper.connect(await this.#servers(), { ...this.#options, signal: this.#closed.signal });
    try {
      await this.onSession(zk);
      return zk;
    } catch (error) {
      await zk.close();
      throw error;
    }
  }

  /** A session, for as long as it takes. `failed` is told of each attempt that was in vain. */
  async patiently(signal: AbortSignal, failed: (error: Error) => void): Promise<ZooKeeper> {
    for (;;) {
      signal.throwIfAborted();
      try {
        return await this.session(signal);
      } catch (error) {
        signal.throwIfAborted();
        failed(error as Error);
        await delay(AGAIN_MS * (0.5 + Math.random()), undefined, { signal });
      }
    }
  }

  get closing(): AbortSignal {
    return this.#closed.signal;
  }

  async close(): Promise<void> {
    this.#closed.abort(new Error('the store was closed'));
    const zk = await this.#session?.catch(() => undefined); // never opened: nothing to close
    await zk?.close();
  }
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
