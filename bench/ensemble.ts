import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Member, parseServer } from '@quorate/agent';

/** Real ZooKeeper members on this machine for one measurement. */
export class BenchEnsemble implements AsyncDisposable {
  readonly servers: string;
  readonly folder: string;
  readonly #members: Member[];

  private constructor(folder: string, members: Member[]) {
    this.folder = folder;
    this.#members = members;
    this.servers = members.map(({ server }) => `${server.address}:${server.clientPort}`).join(',');
  }

  static async start(count: number, heap = 96): Promise<BenchEnsemble> {
    const folder = await mkdtemp(join(tmpdir(), 'quorate-bench-'));
    const ports = await freePorts(3 * count);
    const servers = Array.from({ length: count }, (_, at) =>
      parseServer(at + 1, `127.0.0.1:${ports.splice(0, 3).join(':')}`),
    );
    const members = servers.map(
      ({ id }) => new Member({ id, servers, folder: join(folder, `member-${id}`), tickTime: 2000, heap }),
    );
    const ensemble = new BenchEnsemble(folder, members);
    await Promise.all(members.map((member) => member.start()));
    for (const until = performance.now() + 60_000; ; await delay(50)) {
      if ((await Promise.all(members.map((member) => member.health()))).every(Boolean)) return ensemble;
      if (performance.now() > until) {
        await ensemble[Symbol.asyncDispose]();
        throw new Error('the ensemble did not serve within 60 s');
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map((member) => member.stop('SIGKILL')));
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((done) => server.listen(0, '127.0.0.1', () => done(server)));
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
