import { processorTime } from './processor-time.ts';

/** What the engine says of a template that is ended here, too. */
export const RENDER_LIMIT = 'template render limit exceeded';

/**
 * Bounds the time of the processor that a template takes, not the time that goes by: on a machine whose processors others keep busy a good template waits, and is not to be refused for that.
 * In the place of the engine's own limit, which is asked before each part of a template.
 */
export class RenderLimit {
  readonly #most: number;
  readonly #begun = processorTime();
  #next: number | undefined;

  /** @param most ms */
  constructor(most: number) {
    this.#most = most;
  }

  /** @param now ms of the monotonic clock. No more can have been used than went by, so that the processor's time is seldom asked for. @throws Error */
  check(now: number): void {
    this.#next ??= now + this.#most;
    if (now < this.#next) return;
    const left = this.#most - (processorTime() - this.#begun);
    if (left <= 0) throw new Error(RENDER_LIMIT);
    this.#next = now + left;
  }
}
