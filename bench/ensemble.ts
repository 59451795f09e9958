import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
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

  /** Its members, and which of them leads. */
  list(): Promise<{ id: number; mode: string; port: number }[]> {
    return Promise.all(
      this.#ensemble.members.map(async (member) => {
        const { mode } = (await member.health())!;
        return { id: member.id, mode, port: member.endpoint.port };
      }),
    );
  }

  /** Packets that the members have received from clients since they started. */
  async received(): Promise<number> {
    const answers = await Promise.all(this.#ensemble.members.map(({ endpoint }) => mntr(endpoint.host, endpoint.port)));
    return answers.reduce((sum, answer) => sum + Number(/^zk_packets_received\t(\d+)/m.exec(answer)![1]), 0);
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

/** A server's figures, a line each: name, tab, value. */
function mntr(host: string, port: number): Promise<string> {
  const socket = connect({ host, port });
  socket.write('mntr');
  return text(socket);
}
