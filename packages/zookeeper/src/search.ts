import type { Connection } from './connection.ts';

/** ms between looks for a server that can write: at first, at most. */
const FIRST_DELAY = 100;
const LONGEST_DELAY = 10_000;

/** While connected to a server without a quorum: tries others for one that can write, one connection at a time. */
export class Search {
  readonly #dial: () => Connection;
  #candidate: Connection | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(dial: () => Connection) {
    this.#dial = dial;
  }

  /** The connection that is tried now. */
  get candidate(): Connection | undefined {
    return this.#candidate;
  }

  start(delay = FIRST_DELAY): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#candidate?.end();
      this.#candidate = this.#dial();
      this.start(Math.min(delay * 2, LONGEST_DELAY));
    }, delay);
  }

  /** Hands the candidate over, or forgets it: it is no longer the search's to end. */
  release(): void {
    this.#candidate = undefined;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#candidate?.end();
    this.#candidate = undefined;
  }
}
