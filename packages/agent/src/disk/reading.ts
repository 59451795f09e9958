import { setTimeout as delay } from 'node:timers/promises';

/**
 * For how long an application that was told to reload may still be reading its files: many commands only send a signal, and return before that.
 * Known to this process alone, on its monotonic clock.
 */
export class Reading {
  #until = -Infinity;

  /** It may read from now on, for some seconds. */
  begin(seconds: number): void {
    this.#until = Math.max(this.#until, performance.now() + seconds * 1000);
  }

  /** Until it has read all. @throws the signal's reason when that comes first */
  async end(signal?: AbortSignal): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      const left = this.#until - performance.now();
      if (left <= 0) return;
      await delay(left, undefined, { signal }).catch(() => undefined); // ended by the signal: thrown above
    }
  }
}
