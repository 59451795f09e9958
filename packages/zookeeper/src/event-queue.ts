interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

const BACKLOG = 1024;

export interface EventQueueHooks<T> {
  /** Called when an event is handed out, before its consumer runs. */
  taken?(): void;
  /** Called once when the consumer leaves: `return`, `break`, its signal. */
  left?(): void;
  /** Beyond 1,024 waiting events, those with the same key become one, the latest. Without it nothing is dropped. */
  key?(event: T): string;
}

/** Events on their way to one consumer, in order, as an async iterator. An aborted signal ends it like `break` does. */
export class EventQueue<T> implements AsyncIterableIterator<T, undefined>, AsyncDisposable {
  readonly #hooks: EventQueueHooks<T>;
  #events: T[] = [];
  #waiters: Waiter<T>[] = [];
  #backlog = BACKLOG;
  #ended = false;
  #error: unknown;
  #release: (() => void) | undefined;

  constructor(hooks: EventQueueHooks<T> = {}, signal?: AbortSignal) {
    this.#hooks = hooks;
    if (signal === undefined) return;
    const abort = () => this.#leave();
    if (signal.aborted) {
      this.finish();
      return;
    }
    signal.addEventListener('abort', abort, { once: true });
    this.#release = () => signal.removeEventListener('abort', abort);
  }

  get length(): number {
    return this.#events.length;
  }

  get ended(): boolean {
    return this.#ended;
  }

  push(event: T): void {
    if (this.#ended) return;
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      this.#hooks.taken?.();
      waiter.resolve({ value: event, done: false });
      return;
    }
    this.#events.push(event);
    if (this.#events.length > this.#backlog && this.#hooks.key !== undefined) this.#coalesce(this.#hooks.key);
  }

  #coalesce(key: (event: T) => string): void {
    const latest = new Map<string, T>();
    for (const event of this.#events) {
      latest.delete(key(event));
      latest.set(key(event), event);
    }
    this.#events = [...latest.values()];
    this.#backlog = Math.max(BACKLOG, this.#events.length * 2);
  }

  /** No more events. Those that wait are still handed out; then the iterator ends, or throws `error`. */
  finish(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#release?.();
    this.#error = error;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) this.#end(waiter);
  }

  /** An error is thrown once; after it the iterator is at its end. */
  #end(waiter: Waiter<T>): void {
    const error = this.#error;
    this.#error = undefined;
    if (error === undefined) waiter.resolve({ value: undefined, done: true });
    else waiter.reject(error);
  }

  #leave(): void {
    if (this.#ended) return;
    this.#events = [];
    this.finish();
    this.#hooks.left?.();
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      if (this.#events.length > 0) {
        const value = this.#events.shift() as T;
        if (!this.#ended) this.#hooks.taken?.();
        resolve({ value, done: false });
      } else if (this.#ended) this.#end({ resolve, reject });
      else this.#waiters.push({ resolve, reject });
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#events = [];
    this.#leave();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
