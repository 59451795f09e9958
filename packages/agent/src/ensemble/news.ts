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

  /** Until there was news since the last wait, the signal, or `ms` have gone by. @returns whether there was news */
  wait(ms: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        const fresh = this.#fresh;
        this.#fresh = false;
        this.#wake = () => undefined;
        resolve(fresh);
      };
      const timer = setTimeout(done, ms);
      this.#wake = done;
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted || this.#fresh) done();
    });
  }
}
