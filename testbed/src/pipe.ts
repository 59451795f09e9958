import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { run } from './shell.ts';

/** A named pipe that another process writes to and we read, line by line, at once. */
export class Pipe implements Disposable {
  readonly path: string;
  readonly #folder: string;
  readonly #socket: Socket;
  /** held open by ourselves too, so that the pipe ends when we say so and not while the other has yet to open it */
  #writer: number | undefined;
  readonly #closed: Promise<void>;
  #read: (line: string) => void = () => undefined;

  static async create(): Promise<Pipe> {
    const folder = mkdtempSync(join(tmpdir(), 'quorate-trace-'));
    await run(['mkfifo', join(folder, 'pipe')]);
    return new Pipe(folder);
  }

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, 'pipe');
    const reader = openSync(this.path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#writer = openSync(this.path, constants.O_WRONLY);
    this.#socket = new Socket({ fd: reader, readable: true, writable: false });
    const lines = createInterface({ input: this.#socket });
    lines.on('line', (line) => this.#read(line));
    this.#closed = new Promise((done) => lines.once('close', done));
  }

  onLine(read: (line: string) => void): void {
    this.#read = read;
  }

  /** Everything that was written has been read. */
  drain(): Promise<void> {
    this.#hangUp();
    return this.#closed;
  }

  #hangUp(): void {
    if (this.#writer !== undefined) closeSync(this.#writer);
    this.#writer = undefined;
  }

  [Symbol.dispose](): void {
    this.#hangUp();
    this.#socket.destroy();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
