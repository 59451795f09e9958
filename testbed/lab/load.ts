import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Instance } from '../src/index.ts';
import { writeWhole } from './whole.ts';

const PROCESS = fileURLToPath(new URL('load-process.ts', import.meta.url));
const TARGETS = '/var/lib/quorate/targets.json';
const LOG = 'load.log';

/** An answer by another release than the one before, or the one with which a target is steady: it has answered several times in a row by that release. */
export interface LoadAnswer {
  /** as it was aimed at */
  readonly address: string;
  /** when it was asked, as in {@link LoadFault} */
  readonly from: number;
  /** what both files of the release said */
  readonly release: string;
  readonly isSteady: boolean;
}

/** A request that was not answered as a lone nginx would have. Times in ms of the monotonic clock that all processes of this machine share. */
export interface LoadFault {
  readonly address: string;
  readonly from: number;
  readonly to: number;
  readonly fault: string;
}

/** Requests to all that serve, without a break. */
export class Load {
  readonly #from: Instance;
  readonly #process: ChildProcess;
  readonly #faults: LoadFault[] = [];
  readonly #answers: LoadAnswer[] = [];
  readonly #closed: Promise<unknown>;
  #answered = 0;

  private constructor(from: Instance, process: ChildProcess) {
    this.#from = from;
    this.#process = process;
    this.#closed = once(process, 'close');
    createInterface({ input: process.stdout! }).on('line', (line) => this.#hear(line));
  }

  static begin(from: Instance): Load {
    writeWhole(from.path(TARGETS), []);
    const log = openSync(join(from.disk, 'logs', LOG), 'a');
    const [command, ...args] = from.enter([process.execPath, PROCESS, TARGETS]);
    const load = spawn(command!, args, { stdio: ['pipe', 'pipe', log], env: { ...process.env, NODE_OPTIONS: '' } });
    closeSync(log);
    load.stdin!.on('error', () => undefined); // its machine has ended
    return new Load(from, load);
  }

  /** From now on these, and no others, as a load balancer is told. @param addresses HOST or HOST:PORT, 80 unless said */
  aimAt(addresses: readonly string[]): void {
    writeWhole(this.#from.path(TARGETS), addresses);
  }

  /** So far, in the order in which they came. */
  get answers(): readonly LoadAnswer[] {
    return this.#answers;
  }

  /** @returns how many requests were answered as they should be, and those that were not */
  async end(): Promise<{ answered: number; faults: readonly LoadFault[] }> {
    this.#process.stdin!.end();
    await this.#closed;
    return { answered: this.#answered, faults: this.#faults };
  }

  #hear(line: string): void {
    const said = JSON.parse(line) as LoadFault | LoadAnswer | { answered: number };
    if ('answered' in said) this.#answered = said.answered;
    else if ('fault' in said) this.#faults.push(said);
    else this.#answers.push(said);
  }
}
