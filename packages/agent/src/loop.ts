/** ms without a wake until a loop does what can wait */
const QUIET_MS = 200;

/** Runs a step whenever woken, never twice at once; wakes during a step lead to exactly one more. In quiet moments it does what can wait. */
export class Loop {
  readonly ended: Promise<void>;
  #wanted = false;
  #arrive: () => void = () => undefined;

  constructor(step: (attempt: number) => Promise<number>, quiet: () => Promise<void>, signal: AbortSignal) {
    this.ended = this.#run(step, quiet, signal);
  }

  wake(): void {
    this.#wanted = true;
    this.#arrive();
  }

  async #run(
    step: (attempt: number) => Promise<number>,
    quiet: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    let again: number | undefined;
    let attempt = 0;
    while (!signal.aborted) {
      attempt = this.#wanted ? 0 : attempt + 1;
      if (!this.#wanted) await this.#wait(again, signal);
      if (signal.aborted) return;
      if (this.#wanted) attempt = 0;
      this.#wanted = false;
      try {
        again = await step(attempt);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
      await this.#wait(QUIET_MS, signal);
      if (!this.#wanted && !signal.aborted) await quiet();
    }
  }

  /** Until woken, ended, or `ms` have gone by. */
  #wait(ms: number | undefined, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = ms === undefined ? undefined : setTimeout(done, ms);
      this.#arrive = done;
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted || this.#wanted) done();
    });
  }
}
