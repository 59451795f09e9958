import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./driver.mjs', import.meta.url));

/** What one client did in one slice of time. */
export interface Measured {
  /** operations/s */
  readonly throughput: number;
  /** ms */
  readonly median: number;
  /** ms */
  readonly p99: number;
  /** µs per operation */
  readonly cpu: number;
}

/** A process that keeps one client at one kind of work, when it is told to. */
export class Driver implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    this.#exited = once(child, 'exit');
  }

  /** Resolves when it is connected and warm. */
  static async start(node: string, parameters: readonly string[]): Promise<Driver> {
    const child = spawn(node, [SCRIPT, ...parameters], { stdio: ['pipe', 'pipe', 'inherit'] });
    const driver = new Driver(child);
    await driver.#line('ready');
    return driver;
  }

  /** The next line that starts so; the native binding prints others of its own. */
  async #line(start: string): Promise<string> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`the driver ended: ${this.#child.spawnargs.slice(2).join(' ')}`);
      if (value.startsWith(start)) return value;
    }
  }

  /** Works for so many ms. */
  async measure(duration: number): Promise<Measured> {
    this.#child.stdin!.write(`${duration}\n`);
    return JSON.parse(await this.#line('{')) as Measured;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin!.end();
    await this.#exited;
  }
}
