import { fileURLToPath } from 'node:url';
import { Child } from '../child.ts';

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
  readonly #child: Child;

  private constructor(child: Child) {
    this.#child = child;
  }

  /** Resolves when it is connected and warm. */
  static async start(node: string, parameters: readonly string[]): Promise<Driver> {
    const child = new Child(node, [SCRIPT, ...parameters]);
    await child.line('ready'); // the native binding prints lines of its own
    return new Driver(child);
  }

  /** Works for so many ms. */
  async measure(duration: number): Promise<Measured> {
    this.#child.tell(String(duration));
    return JSON.parse(await this.#child.line('{')) as Measured;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]();
  }
}
