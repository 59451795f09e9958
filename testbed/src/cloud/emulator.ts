import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findMoto } from './moto.ts';

const EMULATOR = fileURLToPath(new URL('emulator', import.meta.url));

/** The emulated APIs of a region: a process that ends with whoever started it. */
export class Emulator implements AsyncDisposable {
  /** of the loopback address: the APIs, and the testbed's own calls */
  readonly ports: { readonly apis: number; readonly control: number };
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, ports: Emulator['ports']) {
    this.#process = process;
    this.ports = ports;
  }

  /** @param options beside the region's name, as `emulator/__main__.py` takes them */
  static async start(name: string, ...options: readonly string[]): Promise<Emulator> {
    const python = await findMoto();
    if (!python) throw new Error('moto is missing: scripts/moto.ts installs it');
    const process = spawn(python, [EMULATOR, '--region', name, ...options], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...globalThis.process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
    return new Emulator(process, await portsOf(process));
  }

  /** For a client of AWS's SDK in this process. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.ports.apis}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = this.#process.exitCode === null ? once(this.#process, 'exit') : undefined;
    this.#process.stdin!.end();
    await exited;
  }
}

/** What the emulator says when it serves. */
function portsOf(emulator: ChildProcess): Promise<Emulator['ports']> {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: emulator.stdout! });
    lines.once('line', (line) => resolve(JSON.parse(line) as Emulator['ports']));
    emulator.once('error', reject);
    emulator.once('exit', (code) => reject(new Error(`the emulator of AWS ended with ${code}: see what it printed`)));
  });
}
