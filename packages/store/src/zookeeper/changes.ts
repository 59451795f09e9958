import { setTimeout as delay } from 'node:timers/promises';
import type { ZooKeeper } from '@quorate/zookeeper';
import type { StoreChange } from '../store.ts';
import { isCode } from './errors.ts';
import type { Link } from './link.ts';
import { BUNDLES, CANDIDATES, headPath } from './paths.ts';

/** ms until watches that could not be set are set again in the same session */
const AGAIN_MS = 1000;
/** ms without a server that nobody is told of: a session moves to another server when the ensemble changes, and when its leader does */
const GRACE_MS = 1000;

/** Changes of the heads and of the list of bundles, over as many sessions as it takes: one watch each, however many files there are. */
export async function* zooKeeperChanges(
  link: Link,
  signal: AbortSignal,
  meaning: (error: unknown) => Error,
): AsyncGenerator<StoreChange> {
  while (!signal.aborted) {
    const failures = new Inbox();
    const connecting = link.patiently(signal, (error) => failures.put({ kind: 'unreachable', error: meaning(error) }));
    connecting.then(
      () => failures.end(),
      () => failures.end(),
    );
    yield* failures.drain(signal);
    const zk = await connecting.catch(() => undefined); // only the signal ends it in vain
    if (!zk) return;
    yield* sessionChanges(zk, signal, meaning);
    if (zk.state === 'connected') await delay(AGAIN_MS, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
  }
}

/** Until the session ends, or a watch could not be set. */
async function* sessionChanges(
  zk: ZooKeeper,
  signal: AbortSignal,
  meaning: (error: unknown) => Error,
): AsyncGenerator<StoreChange> {
  const inbox = new Inbox();
  const ends = new AbortController();
  const fail = (error: unknown): void => {
    inbox.put({ kind: 'unreachable', error: meaning(error) });
    inbox.end();
  };
  void followStates(zk, ends.signal, inbox, meaning);
  void zk.closed.then(() => inbox.end());
  await new Watches(zk, inbox, fail, ends.signal).start();
  inbox.put({ kind: 'reachable' });
  try {
    yield* inbox.drain(signal);
  } finally {
    ends.abort();
  }
}

/** One watch for the list of bundles, one for that of candidates and one for each head, each set again before its news is told: whoever reads then misses nothing. */
class Watches {
  readonly #zk: ZooKeeper;
  readonly #inbox: Inbox;
  readonly #fail: (error: unknown) => void;
  readonly #ends: AbortSignal;
  readonly #heads = new Set<string>();
  #candidates: ReadonlySet<string> = new Set();

  constructor(zk: ZooKeeper, inbox: Inbox, fail: (error: unknown) => void, ends: AbortSignal) {
    this.#zk = zk;
    this.#inbox = inbox;
    this.#fail = fail;
    this.#ends = ends;
  }

  async start(): Promise<void> {
    await Promise.all([this.#watchBundles(), this.#watchCandidates()]).catch(this.#fail);
  }

  async #watchBundles(): Promise<void> {
    for (const bundle of await this.#list(BUNDLES, this.#bundlesChanged)) {
      if (this.#heads.has(bundle)) continue;
      this.#heads.add(bundle);
      this.#watchHead(bundle);
    }
  }

  async #list(path: string, watch: () => void): Promise<string[]> {
    for (;;) {
      try {
        return (await this.#zk.children(path, { watch })).children;
      } catch (error) {
        if (!isCode(error, 'NO_NODE')) throw error;
      }
      // nothing there yet: its creation will tell
      if (!(await this.#zk.exists(path, { watch }))) return [];
    }
  }

  /** A candidate may be another one under the same name: all that stand are told whenever one comes or goes. */
  async #watchCandidates(): Promise<void> {
    const changed = (): void => {
      if (!this.#ends.aborted) void this.#watchCandidates().catch(this.#fail);
    };
    const before = this.#candidates;
    this.#candidates = new Set(await this.#list(CANDIDATES, changed));
    for (const bundle of this.#candidates) this.#inbox.put({ kind: 'candidate', bundle, stands: true });
    for (const bundle of before)
      if (!this.#candidates.has(bundle)) this.#inbox.put({ kind: 'candidate', bundle, stands: false });
  }

  #bundlesChanged = (): void => {
    if (!this.#ends.aborted) this.#watchBundles().then(() => this.#inbox.put({ kind: 'bundles' }), this.#fail);
  };

  #watchHead(bundle: string): void {
    const changed = (): void => {
      if (this.#ends.aborted) return;
      this.#watchHead(bundle);
      this.#inbox.put({ kind: 'head', bundle });
    };
    this.#zk.exists(headPath(bundle), { watch: changed }).catch(this.#fail);
  }
}

async function followStates(
  zk: ZooKeeper,
  signal: AbortSignal,
  inbox: Inbox,
  meaning: (error: unknown) => Error,
): Promise<void> {
  let doubt: NodeJS.Timeout | undefined;
  const tell = (): void =>
    inbox.put({ kind: 'unreachable', error: meaning(zk.lastError ?? new Error('the connection was lost')) });
  try {
    for await (const state of zk.states(signal)) {
      if (state === 'connecting') doubt ??= setTimeout(tell, GRACE_MS);
      else {
        clearTimeout(doubt);
        doubt = undefined;
        if (state === 'connected') inbox.put({ kind: 'reachable' });
      }
    }
  } finally {
    clearTimeout(doubt);
  }
}

/** Changes on their way to one reader; the same reason to look is kept once. */
class Inbox {
  readonly #waiting = new Map<string, StoreChange>();
  #ended = false;
  #arrived: () => void = () => undefined;

  put(change: StoreChange): void {
    const key = 'bundle' in change ? `${change.kind} ${change.bundle}` : change.kind;
    // the newest word on reachability counts, and comes last
    this.#waiting.delete(key);
    if (key === 'reachable') this.#waiting.delete('unreachable');
    if (key === 'unreachable') this.#waiting.delete('reachable');
    this.#waiting.set(key, change);
    this.#arrived();
  }

  end(): void {
    this.#ended = true;
    this.#arrived();
  }

  async *drain(signal: AbortSignal): AsyncGenerator<StoreChange> {
    const wake = (): void => this.#arrived();
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted) {
        for (const [key, change] of this.#waiting) {
          this.#waiting.delete(key);
          yield change;
          if (signal.aborted) return;
        }
        if (this.#waiting.size > 0) continue;
        if (this.#ended) return;
        await new Promise<void>((resolve) => {
          this.#arrived = resolve;
        });
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }
}
