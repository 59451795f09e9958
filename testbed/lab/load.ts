import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Instance } from '../src/index.ts';
import { writeWhole } from './whole.ts';

const PROCESS = fileURLToPath(new URL('load-process.ts', import.meta.url));
const TARGETS = '/var/lib/quorate/targets.json';
const LOG = 'load.log';

/** A request that was not answered as a lone nginx would have. Times in ms of the monotonic clock that all processes of this machine share. */
export interface LoadFault {
  readonly address: string;
  readonly from: number;
  readonly to: number;
  readonly fault: string;
}

/** Requests to all machines that serve, without a break. */
export class Load {
  readonly #from: Instance;
  readonly #process: ChildProcess;

  private constructor(from: Instance, process: ChildProcess) {
    this.#from = from;
    this.#process = process;
  }

  static begin(from: Instance): Load {
    writeWhole(from.path(TARGETS), []);
    const log = openSync(join(from.disk, 'logs', LOG), 'a');
    const [command, ...args] = from.enter([process.execPath, PROCESS, TARGETS]);
    const load = spawn(command!, args, { stdio: ['pipe', log, log], env: { ...process.env, NODE_OPTIONS: '' } });
    closeSync(log);
    load.stdin!.on('error', () => undefined); // its machine has ended
    return new Load(from, load);
  }

  /** From now on these, and no others, as a load balancer is told. */
  aimAt(addresses: readonly string[]): void {
    writeWhole(this.#from.path(TARGETS), addresses);
  }

  /** @returns how many requests were answered as they should be, and those that were not */
  async end(): Promise<{ answered: number; faults: LoadFault[] }> {
    if (this.#process.exitCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.stdin!.end();
      await ended;
    }
    const log = await readFile(join(this.#from.disk, 'logs', LOG), 'utf8');
    const lines = log
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as LoadFault | { answered: number });
    return {
      answered: lines.flatMap((line) => ('answered' in line ? [line.answered] : [])).reduce((sum, one) => sum + one, 0),
      faults: lines.flatMap((line) => ('answered' in line ? [] : [line])),
    };
  }
}
