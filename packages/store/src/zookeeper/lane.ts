/** Lets work run side by side until so many bytes are under way. One caller at a time enters. */
export class Lane implements AsyncDisposable {
  readonly #most: number;
  #bytes = 0;
  #works = 0;
  #failed: { readonly error: unknown } | undefined;
  #changed: () => void = () => undefined;

  constructor(most: number) {
    this.#most = most;
  }

  /** Waits until there is room. @throws what the first work that failed threw */
  async enter(bytes: number): Promise<void> {
    while (this.#bytes > 0 && this.#bytes + bytes > this.#most && !this.#failed) await this.#change();
    if (this.#failed) throw this.#failed.error;
  }

  run(bytes: number, work: Promise<unknown>, done: () => void): void {
    this.#bytes += bytes;
    this.#works++;
    void work
      .then(done)
      .catch((error: unknown) => {
        this.#failed ??= { error };
      })
      .finally(() => {
        this.#bytes -= bytes;
        this.#works--;
        this.#changed();
      });
  }

  /** Waits until all work is done. @throws as `enter` does */
  async empty(): Promise<void> {
    await this[Symbol.asyncDispose]();
    if (this.#failed) throw this.#failed.error;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = resolve;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#works > 0) await this.#change();
  }
}
