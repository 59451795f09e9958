import { type ChildProcess, spawn } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { COMMAND, type Place } from './place.ts';
import { until } from './until.ts';

/** A program on a terminal of its own, made by script(1): what it shows, and keys to press. */
export class Terminal implements AsyncDisposable {
  /** as it came, with its control sequences */
  raw = '';
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;

  /** The command, without settings of this machine. */
  static quorate(place: Place, args: readonly string[], env: NodeJS.ProcessEnv = {}): Terminal {
    return new Terminal(place, [process.execPath, COMMAND, '--config', '/dev/null', ...args], env);
  }

  constructor(place: Place, words: readonly string[], env: NodeJS.ProcessEnv = {}) {
    // exec: some shells stay in between, and end by the signal that was meant for the program
    const command = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
    this.#child = spawn('script', ['--quiet', '--return', '--flush', '--command', `exec ${command}`, '/dev/null'], {
      cwd: place.folder,
      env: { ...process.env, TERM: 'xterm', NO_COLOR: '', QUORATE_AUTHOR: 'tester', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child.stdout!.setEncoding('utf8').on('data', (text) => {
      this.raw += text;
    });
    this.#ended = new Promise((resolve) => this.#child.once('close', resolve));
  }

  get shown(): string {
    return stripVTControlCharacters(this.raw);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async shows(what: RegExp, ms?: number): Promise<RegExpExecArray> {
    try {
      return await until(`the terminal shows ${what}`, () => what.exec(this.shown) ?? false, ms);
    } catch (error) {
      throw new Error(`${(error as Error).message}; it shows:\n${this.shown}`, { cause: error });
    }
  }

  press(keys: string): void {
    this.#child.stdin!.write(keys);
  }

  /** @returns the exit code */
  ended(): Promise<number | null> {
    return this.#ended;
  }

  /** The terminal goes away, as when its window is closed. */
  hangUp(): void {
    this.#child.kill('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hangUp();
    await this.#ended;
  }
}
