import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LoopbackEnsemble } from '@quorate/agent';
import { onExit } from './exit.ts';

/** Real ZooKeeper members on this machine for one measurement, in a folder that goes with them. */
export class BenchEnsemble implements AsyncDisposable {
  readonly folder: string;
  readonly servers: string;
  readonly #ensemble: LoopbackEnsemble;
  readonly #guard: Disposable;

  private constructor(folder: string, ensemble: LoopbackEnsemble) {
    this.folder = folder;
    this.servers = ensemble.servers;
    this.#ensemble = ensemble;
    this.#guard = onExit(() => {
      for (const { pid } of ensemble.members) if (pid !== undefined) process.kill(pid, 'SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    });
  }

  /** Processes of the members. */
  get pids(): number[] {
    return this.#ensemble.members.map(({ pid }) => pid!);
  }

  /** `heap` in MB; the members' files go below `parent`. */
  static async start(count: number, heap = 96, parent = tmpdir()): Promise<BenchEnsemble> {
    const folder = await mkdtemp(join(parent, 'quorate-bench-'));
    return new BenchEnsemble(folder, await LoopbackEnsemble.start(folder, count, { heap, tickTime: 2000 }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ensemble[Symbol.asyncDispose]();
    this.#guard[Symbol.dispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}
