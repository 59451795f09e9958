/**
 * Where somebody who hears of changes by another way tells a store that has to look for them itself. A hint says no more than that it is worth looking now:
 * it may be doubled, late or wrong, and looks go on without any.
 */
export class Hints {
  #isRung = false;
  #isHeard = false;
  #wake: () => void = () => undefined;

  /** Look now. */
  ring(): void {
    this.#isRung = true;
    this.#wake();
  }

  /** Whether changes are told of at present: looks without a hint may be rarer. */
  get isHeard(): boolean {
    return this.#isHeard;
  }

  set isHeard(isHeard: boolean) {
    if (isHeard === this.#isHeard) return;
    this.#isHeard = isHeard;
    this.ring(); // what happened in between was told to nobody
  }

  /** Until a hint comes, or came since the last one was taken; or until the time is over, or the signal. @returns whether there was a hint */
  async rest(ms: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#isRung && !signal.aborted)
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal.addEventListener('abort', done, { once: true });
        this.#wake = done;
      });
    const wasRung = this.#isRung;
    this.#isRung = false;
    return wasRung;
  }
}
