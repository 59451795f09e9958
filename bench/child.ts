import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { onExit } from './exit.ts';

/** A process that is told by lines on its input what to do, and answers by lines on its output. It ends with its input. */
export class Child implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<unknown>;
  readonly #guard: Disposable;

  constructor(command: string, parameters: readonly string[]) {
    this.#child = spawn(command, parameters, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
    this.#exited = once(this.#child, 'exit');
    this.#guard = onExit(() => this.#child.kill('SIGKILL'));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  tell(line: string): void {
    this.#child.stdin!.write(`${line}\n`);
  }

  /** The next line that starts so; others are passed over. */
  async line(start: string): Promise<string> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`this process has ended: ${this.#child.spawnargs.join(' ')}`);
      if (value.startsWith(start)) return value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin!.end();
    await this.#exited;
    this.#guard[Symbol.dispose]();
  }
}
