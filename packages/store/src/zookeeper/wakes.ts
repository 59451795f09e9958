import type { WatchEvent, ZooKeeper } from '@quorate/zookeeper';

/** ms until news that concerns somebody else is told, at least and at most: a large fleet does not look all at once, and looks once at several. */
const LATE_MS = [5000, 10_000] as const;

/** News of several watches as one stream of wakes; those that nobody has taken yet are one. */
export class Wakes {
  readonly #signal: AbortSignal;
  #fresh = false;
  #late: NodeJS.Timeout | undefined;
  #tell: () => void = () => undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#end(), { once: true });
  }

  /**
   * Until the session or the signal ends it.
   * @param concerns whether an event is told at once; it is told late otherwise
   */
  async follow(
    zk: ZooKeeper,
    path: string,
    kind: 'persistent' | 'persistent_recursive',
    concerns: (event: WatchEvent) => Promise<boolean> = async () => true,
  ): Promise<void> {
    try {
      for await (const event of zk.watch(path, { kind, signal: this.#signal }))
        if (await concerns(event)) this.wake();
        else this.wakeLater();
    } catch {
      // the session has ended: so do all watches of it
    }
  }

  wake(): void {
    this.#fresh = true;
    this.#tell();
  }

  wakeLater(): void {
    if (this.#signal.aborted) return;
    const [least, most] = LATE_MS;
    this.#late ??= setTimeout(() => this.wake(), least + Math.random() * (most - least));
  }

  /** @returns false at the end */
  async next(): Promise<boolean> {
    while (!this.#fresh) {
      if (this.#signal.aborted) return false;
      await new Promise<void>((resolve) => {
        this.#tell = resolve;
      });
    }
    this.#fresh = false;
    this.#forgetLate(); // whoever looks now sees that too
    return true;
  }

  #end(): void {
    this.#forgetLate();
    this.#tell();
  }

  #forgetLate(): void {
    clearTimeout(this.#late);
    this.#late = undefined;
  }
}
