import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentError } from '../errors.ts';
import { declaredLine, parseServer } from './declared.ts';
import { formatDynamic } from './dynamic.ts';
import { Member } from './member.ts';

const SERVING_WITHIN_MS = 60_000;

/** A whole ensemble on this machine's loopback address: for the demo, tests and measurements. */
export class LoopbackEnsemble implements AsyncDisposable {
  readonly members: readonly Member[];
  /** `host:port` of every member, as a client wants them */
  readonly servers: string;

  private constructor(members: readonly Member[]) {
    this.members = members;
    this.servers = members.map(({ endpoint }) => `${endpoint.host}:${endpoint.port}`).join(',');
  }

  /**
   * Starts `count` members on free ports, each with a folder `member-N` below `folder`, and waits until all of them serve.
   * @param onStart called when the processes are there, before they serve
   * @throws AgentError NO_JAVA, or MEMBER_FAILED when they do not serve within a minute
   */
  static async start(
    folder: string,
    count: number,
    options: { heap?: number; tickTime?: number; onStart?: (members: readonly Member[]) => Promise<void> } = {},
  ): Promise<LoopbackEnsemble> {
    const { heap = 96, tickTime = 500 } = options;
    const ports = await freePorts(3 * count);
    const servers = Array.from({ length: count }, (_, at) =>
      declaredLine(parseServer(at + 1, `127.0.0.1:${ports.slice(3 * at, 3 * at + 3).join(':')}`)),
    );
    const dynamic = formatDynamic(servers);
    const ensemble = new LoopbackEnsemble(
      servers.map(({ id }) => new Member({ id, dynamic, folder: join(folder, `member-${id}`), tickTime, heap })),
    );
    try {
      await Promise.all(ensemble.members.map((member) => member.start({ found: true })));
      await options.onStart?.(ensemble.members);
      await ensemble.#serves(folder);
      return ensemble;
    } catch (error) {
      await ensemble[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #serves(folder: string): Promise<void> {
    const until = performance.now() + SERVING_WITHIN_MS;
    while (!(await Promise.all(this.members.map((member) => member.health()))).every(Boolean)) {
      if (performance.now() > until) {
        const log = join(folder, 'member-1', 'zookeeper.log');
        throw new AgentError(
          'MEMBER_FAILED',
          `${this.members.length} ZooKeeper members did not serve within ${SERVING_WITHIN_MS / 1000} s: see ${log}`,
        );
      }
      await delay(50);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop('SIGTERM', 2000)));
  }
}

/** TCP ports of the loopback address that nobody listens on now, and that the kernel gives to no outgoing connection. */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  try {
    while (servers.length < count) {
      const port = LOWEST_PORT + Math.floor(Math.random() * (OUTGOING_PORTS - LOWEST_PORT));
      const server = await listen(port);
      if (server) servers.push(server); // else somebody has it: another one
    }
    return servers.map((server) => (server.address() as { port: number }).port);
  } finally {
    await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  }
}

/** Above the ports of well-known services, below those that Linux (32768) and macOS (49152) connect from unless told otherwise. */
const LOWEST_PORT = 10_000;
const OUTGOING_PORTS = 32_768;

function listen(port: number): Promise<Server | undefined> {
  return new Promise((done, failed) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? done(undefined) : failed(error),
    );
    server.listen(port, '127.0.0.1', () => done(server));
  });
}
