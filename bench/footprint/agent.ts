import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onExit } from '../exit.ts';
import { cpuSeconds, residentMegabytes } from '../usage.ts';

const COMMAND = fileURLToPath(new URL('./installed.mjs', import.meta.url));
export interface Usage {
  /** resident now, MB of 2^20 bytes */
  readonly megabytes: number;
  /** share of one core since the agent was asked first */
  readonly cpu: number;
}

/** A real agent: the command, as a process of its own on a machine in a folder. */
export class MeasuredAgent implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #guard: Disposable;
  readonly #bundle: string;

  constructor(store: string, root: string, bundle: string) {
    mkdirSync(join(root, 'etc'), { recursive: true });
    const args = ['--store', store, '--root', root, '--config', '/dev/null', 'agent'];
    this.#child = spawn(process.execPath, [COMMAND, ...args], {
      stdio: 'ignore',
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    this.#guard = onExit(() => this.#child.kill('SIGKILL'));
    this.#bundle = join(root, 'var/lib/quorate', bundle);
  }

  /** Until its release is live and its status says so. */
  async applied(): Promise<void> {
    for (const until = performance.now() + 60_000; !existsSync(join(this.#bundle, 'settled')); await delay(1))
      if (performance.now() > until) throw new Error(`${this.#bundle} is not applied within 60 s`);
  }

  /** What it uses while it is left alone for so many seconds. */
  async idle(seconds: number): Promise<Usage> {
    const pid = this.#child.pid!;
    const [from, before] = [performance.now(), cpuSeconds(pid)];
    await delay(seconds * 1000);
    const cpu = (cpuSeconds(pid) - before) / ((performance.now() - from) / 1000);
    return { megabytes: residentMegabytes(pid), cpu };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null)
      await new Promise((ended) => {
        this.#child.once('exit', ended);
        this.#child.kill('SIGKILL');
      });
    this.#guard[Symbol.dispose]();
  }
}
