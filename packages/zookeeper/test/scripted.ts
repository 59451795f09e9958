import { createServer, type Server, type Socket } from 'node:net';
import { FrameSplitter } from '../src/protocol/frames.ts';
import { grantFrame } from './protocol/replies.ts';

/** What a client sent after its session was granted. */
export interface Asked {
  readonly xid: number;
  readonly code: number;
  /** Which connection it came by, from 1 on. */
  readonly connection: number;
  readonly socket: Socket;
}

/** Answers one request, or keeps silent. */
export type Script = (asked: Asked) => Buffer | undefined;

/** A server of the test's own: grants every session and answers as its script says. */
export class ScriptedServer implements AsyncDisposable {
  readonly #listener: Server;
  readonly #sockets = new Set<Socket>();
  script: Script;
  /** What every connection gets first. */
  grant = grantFrame();
  /** Everything that was asked, in order. */
  readonly asked: Asked[] = [];
  connections = 0;

  private constructor(listener: Server, script: Script) {
    this.#listener = listener;
    this.script = script;
    listener.on('connection', (socket) => this.#accept(socket));
  }

  static async start(script: Script): Promise<ScriptedServer> {
    const listener = createServer();
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    return new ScriptedServer(listener, script);
  }

  get port(): number {
    return (this.#listener.address() as { port: number }).port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  #accept(socket: Socket): void {
    const connection = ++this.connections;
    const frames = new FrameSplitter(0xfffff);
    let granted = false;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {
      // The client has gone: the test looks at that from its own side.
    });
    socket.on('data', (chunk) =>
      frames.push(chunk, (buffer, start) => {
        if (!granted) {
          granted = true;
          socket.write(this.grant);
          return true;
        }
        const asked = { xid: buffer.readInt32BE(start), code: buffer.readInt32BE(start + 4), connection, socket };
        this.asked.push(asked);
        const answer = this.script(asked);
        if (answer !== undefined) socket.write(answer);
        return true;
      }),
    );
  }

  /** Takes no connection from now on; those that there are stay. */
  shut(): void {
    this.#listener.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#listener.close(resolve));
  }
}
