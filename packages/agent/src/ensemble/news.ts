/** Turns what may happen at any time into waits that each end at the next news, or after a time. */
export class News {
  #fresh = false;
  #wake: () => void = () => undefined;

  arrived(): void {
    this.#fresh = true;
    this.#wake();
  }

  /** Every item of the stream is news, until it ends. */
  follow(stream: AsyncIterable<void>): void {
    void (async () => {
      for await (const _ of stream) this.arrived();
    })();
  }

  /** Until there was news since the last wait, the signal, or `ms` have gone by. */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#fresh = false;
        this.#wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = done;
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted || this.#fresh) done();
    });
  }
}
