import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** One request as the proxy sees it. */
export interface Seen {
  readonly method: string;
  /** path and query */
  readonly url: string;
  /** decoded, without the bucket */
  readonly key: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** what the server answered; undefined where it was not asked */
  status?: number;
}

/** What becomes of a request. */
export type Fault =
  /** not passed on; answered as S3 would */
  | {
      readonly answer: number;
      readonly code?: string;
      readonly message?: string;
      readonly headers?: Record<string, string>;
    }
  /** not passed on, and the connection cut */
  | 'cut before'
  /** passed on and done; the connection is cut before the answer */
  | 'cut after'
  /** passed on and done; no answer ever comes */
  | 'silence'
  /** passed on; of the answer's body only half comes */
  | 'half'
  /** passed on after these ms */
  | { readonly delay: number }
  /** done by somebody else: the ETag that S3 would answer with */
  | { readonly done: () => Promise<string> };

/** Between a client and an S3 server on this machine: decides for each request what becomes of it. */
export class FaultProxy implements AsyncDisposable {
  readonly #listener: Server;
  readonly #target: number;
  /** undefined: passed on as it is */
  fault: (seen: Seen) => Fault | undefined | Promise<Fault | undefined> = () => undefined;
  /** listings that were asked for before are answered as they were then */
  stale = false;
  readonly #listings = new Map<string, { status: number; headers: IncomingHttpHeaders; body: Buffer }>();
  /** every request */
  readonly seen: Seen[] = [];
  /** faults that happened */
  faults = 0;

  static async start(target: number): Promise<FaultProxy> {
    const listener = createServer();
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    return new FaultProxy(listener, target);
  }

  private constructor(listener: Server, target: number) {
    this.#listener = listener;
    this.#target = target;
    listener.on('request', (incoming, outgoing) => {
      this.#handle(incoming, outgoing).catch(() => outgoing.destroy()); // whoever asked is gone, or the server is
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#listener.address() as AddressInfo).port}`;
  }

  /** The fault for the next so many requests that fit; then none. */
  next(times: number, fits: (seen: Seen) => boolean, fault: Fault): void {
    let left = times;
    this.fault = (seen) => (left > 0 && fits(seen) && left-- > 0 ? fault : undefined);
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = incoming;
    const body = await buffer(incoming);
    const path = new URL(url, this.url).pathname;
    const seen: Seen = { method, url, headers, body, key: decodeURIComponent(path.replace(/^\/[^/]*\/?/, '')) };
    this.seen.push(seen);
    const fault = await this.fault(seen);
    if (fault) this.faults++;
    if (fault === 'cut before') return void outgoing.destroy();
    if (typeof fault === 'object' && 'answer' in fault) {
      const { answer, code = '', message = code, headers = {} } = fault;
      const xml = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
      outgoing.writeHead(answer, { 'content-type': 'application/xml', ...headers }).end(method === 'HEAD' ? '' : xml);
      return;
    }
    if (typeof fault === 'object' && 'done' in fault) {
      outgoing.writeHead(200, { etag: await fault.done() }).end();
      return;
    }
    if (typeof fault === 'object') await new Promise((resolve) => setTimeout(resolve, fault.delay));
    const isListing = /[?&]list-type=2/.test(url);
    const before = this.stale && isListing ? this.#listings.get(url) : undefined;
    const answer = before ?? (await this.#pass(seen));
    seen.status = answer.status;
    if (isListing && !before) this.#listings.set(url, answer);
    if (fault === 'cut after') return void outgoing.destroy();
    if (fault === 'silence') return;
    outgoing.writeHead(answer.status, answer.headers);
    if (fault !== 'half') return void outgoing.end(answer.body);
    outgoing.write(answer.body.subarray(0, answer.body.length / 2), () => outgoing.destroy());
  }

  /** As it came, with the host it was signed for. */
  async #pass({
    method,
    url,
    headers,
    body,
  }: Seen): Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }> {
    const passed = request({ host: '127.0.0.1', port: this.#target, method, path: url, headers });
    passed.end(body);
    const [answer] = (await once(passed, 'response')) as [IncomingMessage];
    return { status: answer.statusCode!, headers: answer.headers, body: await buffer(answer) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.#listener.closeAllConnections();
  }
}
