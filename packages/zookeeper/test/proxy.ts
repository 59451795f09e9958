import { connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/**
 * A TCP proxy in front of one server, which can cut its connections, hold what the server says, and let only so many
 * bytes through, so that a connection breaks in the middle of a frame.
 */
export class TcpProxy implements AsyncDisposable {
  readonly #listener: Server;
  readonly #target: number;
  readonly #pairs = new Set<Pair>();
  #holding: 'neither' | 'replies' | 'both' = 'neither';
  #refusing = false;
  #budget = Number.POSITIVE_INFINITY;
  #piece = 0;
  /** Connections accepted since the start. */
  accepted = 0;

  private constructor(listener: Server, target: number) {
    this.#listener = listener;
    this.#target = target;
    listener.on('connection', (client) => this.#accept(client));
  }

  static async start(target: number): Promise<TcpProxy> {
    const listener = createServer();
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    return new TcpProxy(listener, target);
  }

  get address(): string {
    return `127.0.0.1:${(this.#listener.address() as { port: number }).port}`;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#pairs.size;
  }

  #accept(client: Socket): void {
    this.accepted++;
    if (this.#refusing) {
      client.destroy();
      return;
    }
    const server = connect(this.#target, '127.0.0.1');
    const pair = { client, server };
    client.setNoDelay(true);
    server.setNoDelay(true);
    this.#pairs.add(pair);
    client.on('data', (chunk) => server.write(chunk));
    server.on('data', (chunk) => this.#reply(pair, chunk));
    for (const socket of [client, server]) {
      socket.on('error', () => this.#drop(pair));
      socket.on('close', () => this.#drop(pair));
    }
    this.#apply(pair);
  }

  #reply(pair: Pair, chunk: Buffer): void {
    if (this.#piece > 0) {
      this.#trickle(pair, chunk);
      return;
    }
    const passed = chunk.subarray(0, Math.max(0, this.#budget));
    this.#budget -= passed.length;
    if (passed.length === chunk.length) pair.client.write(chunk);
    else pair.client.end(passed, () => this.#drop(pair));
  }

  /** Each piece in a write of its own, and a turn of the loop apart, so that they arrive apart. */
  #trickle(pair: Pair, chunk: Buffer): void {
    pair.server.pause();
    const send = (at: number) => {
      if (at >= chunk.length) pair.server.resume();
      else pair.client.write(chunk.subarray(at, at + this.#piece), () => setImmediate(send, at + this.#piece));
    };
    send(0);
  }

  #drop(pair: Pair): void {
    this.#pairs.delete(pair);
    pair.client.destroy();
    pair.server.destroy();
  }

  #apply({ client, server }: Pair): void {
    if (this.#holding === 'both') client.pause();
    else client.resume();
    if (this.#holding === 'neither') server.resume();
    else server.pause();
  }

  /** Ends every connection; new ones are still taken. */
  cut(): void {
    for (const pair of [...this.#pairs]) this.#drop(pair);
  }

  /** Ends new connections at once, until `accept`. */
  refuse(): void {
    this.#refusing = true;
  }

  accept(): void {
    this.#refusing = false;
  }

  /** Keeps what the server says, or all that both say, until `release`. */
  hold(what: 'replies' | 'both' = 'both'): void {
    this.#holding = what;
    for (const pair of this.#pairs) this.#apply(pair);
  }

  release(): void {
    this.#holding = 'neither';
    for (const pair of this.#pairs) this.#apply(pair);
  }

  /** Lets `bytes` more from the server through, then ends the connection that would go on. */
  limit(bytes: number): void {
    this.#budget = bytes;
  }

  /** Passes on what the server says in pieces of so many bytes. */
  trickle(bytes: number): void {
    this.#piece = bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#listener.close(resolve));
  }
}
