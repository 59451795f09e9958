import { connect, type Socket } from 'node:net';

/** What a network says of a machine that cannot be reached, or on which nobody serves. Other errors are of this machine: it may lack sockets. */
const GONE: ReadonlySet<string> = new Set(['ECONNREFUSED', 'EHOSTDOWN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']);

/**
 * Looks whether a machine still takes connections, by one that says nothing. Its kernel does, however slow or stopped the server is: who does not is cut
 * off, without power, or serves no more.
 */
export class Knock {
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;

  /**
   * @param address of the machine, not its name: nobody else has to answer
   * @param within ms
   * @param told once, unless `end` is called before: why it counts as gone, or undefined
   */
  constructor(address: string, port: number, within: number, told: (gone: Error | undefined) => void) {
    this.#socket = connect({ host: address, port });
    const done = (gone: Error | undefined): void => {
      this.end();
      told(gone);
    };
    this.#socket.once('connect', () => done(undefined));
    this.#socket.once('error', (error: NodeJS.ErrnoException) => done(GONE.has(error.code ?? '') ? error : undefined));
    const late = new Error(`its machine took no new connection within ${Math.round(within)} ms`);
    this.#timer = setTimeout(() => {
      // This process may have been stopped meanwhile: what has come by now counts.
      setImmediate(() => this.#socket.destroyed || done(late));
    }, within);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#socket.destroy();
  }
}
