import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

/** How one kind of request goes over the wire. */
export interface Operation<Arguments, Result> {
  /** The method's name, for errors. */
  readonly name: string;
  /** `ZooDefs.OpCode` */
  readonly code: number;
  /** A request that was lost may only be sent again by itself when it changes nothing. */
  readonly write: boolean;
  readonly encode: (writer: Writer, request: Arguments) => void;
  /** Paths in replies are given back without `chroot`. */
  readonly decode: (reader: Reader, chroot: string, request: Arguments) => Result;
  /** What NO_NODE means, where it is not an error. */
  readonly absent?: Result;
}

/** One request: what to send, and whom to tell. */
export class Request<Arguments = never, Result = unknown> {
  readonly operation: Operation<Arguments, Result>;
  /** The path that errors name, as the caller wrote it. */
  readonly path: string;
  readonly arguments: Arguments;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
  xid = 0;
  /** The caller has its answer (it aborted), or nobody waits. The reply still comes and is dropped. */
  settled = false;
  /** Called each time that it goes out on a connection. */
  onSent: (() => void) | undefined = undefined;
  /** Called with the reply's error number, in the order of the wire, before anyone is told. */
  onReply: ((error: number) => void) | undefined = undefined;
  /** Called instead of the rejection when a write was lost in flight and can be made safe. */
  onLost: ((request: Request<Arguments, Result>) => void) | undefined = undefined;
  /** Ends the wait for the caller's signal. */
  release: (() => void) | undefined = undefined;

  constructor(
    operation: Operation<Arguments, Result>,
    path: string,
    args: Arguments,
    resolve: (result: Result) => void,
    reject: (error: unknown) => void,
  ) {
    this.operation = operation;
    this.path = path;
    this.arguments = args;
    this.resolve = resolve;
    this.reject = reject;
  }

  succeed(result: Result): void {
    if (this.settled) return;
    this.settled = true;
    this.release?.();
    this.resolve(result);
  }

  fail(error: unknown): void {
    if (this.settled) return;
    this.settled = true;
    this.release?.();
    this.reject(error);
  }
}

/** A request whose types only it knows: how queues hold them. */
export type AnyRequest = Request<never, never>;

/** First in, first out, without moving what is queued. */
export class RequestQueue {
  #items: (AnyRequest | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(request: AnyRequest): void {
    this.#items.push(request);
  }

  peek(): AnyRequest | undefined {
    return this.#items[this.#head];
  }

  shift(): AnyRequest | undefined {
    const request = this.#items[this.#head];
    if (request === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head > 4096 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return request;
  }

  /** Takes out the request with this number, wherever it stands. */
  take(xid: number): AnyRequest | undefined {
    const at = this.#items.findIndex((request) => request?.xid === xid);
    return at === -1 ? undefined : this.#items.splice(at, 1)[0];
  }

  /** Everything that is queued, in order; the queue is empty afterwards. */
  drain(): AnyRequest[] {
    const all = this.#items.slice(this.#head) as AnyRequest[];
    this.#items = [];
    this.#head = 0;
    return all;
  }

  /** Puts requests before those that are queued. */
  unshift(requests: readonly AnyRequest[]): void {
    if (requests.length === 0) return;
    this.#items = [...requests, ...this.#items.slice(this.#head)];
    this.#head = 0;
  }

  /** Forgets the requests that nobody waits for. */
  sweep(): void {
    this.#items = this.#items.slice(this.#head).filter((request) => !request!.settled);
    this.#head = 0;
  }
}
