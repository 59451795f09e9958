import type { ZooKeeper } from '@quorate/zookeeper';
import type { StoreChange } from '../store.ts';
import { isCode } from './errors.ts';
import type { Link } from './link.ts';
import { BUNDLES, headPath } from './paths.ts';

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
  }
}

/** Until the session ends. */
async function* sessionChanges(
  zk: ZooKeeper,
  signal: AbortSignal,
  meaning: (error: unknown) => Error,
): AsyncGenerator<StoreChange> {
  const inbox = new Inbox();
  const ends = new AbortController();
  const watched = new Set<string>();
  const fail = (error: unknown): void => inbox.put({ kind: 'unreachable', error: meaning(error) });

  const watchHead = (bundle: string): void => {
    // asked for again before the news is passed on, so that whoever reads then sees at least what this watch covers
    const changed = (): void => {
      watchHead(bundle);
      inbox.put({ kind: 'head', bundle });
    };
    zk.exists(headPath(bundle), { watch: changed }).catch(fail);
  };
  const watchBundles = async (): Promise<void> => {
    const again = (): void => void watchBundles().then(() => inbox.put({ kind: 'bundles' }), fail);
    let children: string[] = [];
    try {
      ({ children } = await zk.children(BUNDLES, { watch: again }));
    } catch (error) {
      if (!isCode(error, 'NO_NODE')) throw error;
      // nothing published yet: its creation will tell
      if (await zk.exists(BUNDLES, { watch: again })) again();
    }
    for (const bundle of children) {
      if (watched.has(bundle)) continue;
      watched.add(bundle);
      watchHead(bundle);
    }
  };

  void followStates(zk, ends.signal, inbox, meaning);
  void zk.closed.then(() => inbox.end());
  await watchBundles().catch(fail);
  inbox.put({ kind: 'reachable' });
  try {
    yield* inbox.drain(signal);
  } finally {
    ends.abort();
  }
}

async function followStates(
  zk: ZooKeeper,
  signal: AbortSignal,
  inbox: Inbox,
  meaning: (error: unknown) => Error,
): Promise<void> {
  for await (const state of zk.states(signal)) {
    if (state === 'connected') inbox.put({ kind: 'reachable' });
    else if (state === 'connecting')
      inbox.put({ kind: 'unreachable', error: meaning(zk.lastError ?? new Error('the connection was lost')) });
  }
}

/** Changes on their way to one reader; the same reason to look is kept once. */
class Inbox {
  readonly #waiting = new Map<string, StoreChange>();
  #ended = false;
  #arrived: () => void = () => undefined;

  put(change: StoreChange): void {
    const key = change.kind === 'head' ? `head ${change.bundle}` : change.kind;
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
