import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server as NetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { AgentError, identify, lives, Member, type ProcessIdentity, parseServer } from '@quorate/agent';

const COMMAND = fileURLToPath(new URL('../../bin/quorate.js', import.meta.url));
const EXAMPLE = fileURLToPath(new URL('../../example/nginx', import.meta.url));
const FOLDER = 'quorate-demo-';
/** A member's heap in MB and its tick in ms: three of them fit on a small machine. */
const HEAP = 96;
const TICK_MS = 500;
const SERVING_WITHIN_MS = 60_000;

/** One instance of the demo: an agent with a root of its own, as if it were a machine. */
export interface DemoInstance {
  readonly id: string;
  readonly root: string;
  readonly state: string;
  readonly agent: ChildProcess;
}

/** Three agents, and three ZooKeeper members where Java is there, all on this machine, all gone at the end. */
export class DemoFleet implements AsyncDisposable {
  readonly folder: string;
  readonly instances: DemoInstance[] = [];
  store = '';
  readonly #members: Member[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** An empty fleet in a folder of its own; what demos that were killed have left behind is cleared away first. */
  static async create(): Promise<DemoFleet> {
    await sweep();
    const folder = await mkdtemp(join(tmpdir(), FOLDER));
    const fleet = new DemoFleet(folder);
    await fleet.#note();
    return fleet;
  }

  /** Three members on free ports of the loopback address. @throws AgentError MEMBER_FAILED */
  async startEnsemble(): Promise<void> {
    const ports = await freePorts(9);
    const servers = [1, 2, 3].map((id) => parseServer(id, `127.0.0.1:${ports.splice(0, 3).join(':')}`));
    for (const { id } of servers)
      this.#members.push(
        new Member({ id, servers, folder: join(this.folder, `member-${id}`), tickTime: TICK_MS, heap: HEAP }),
      );
    await Promise.all(this.#members.map((member) => member.start()));
    await this.#note();
    const until = performance.now() + SERVING_WITHIN_MS;
    while (!(await Promise.all(this.#members.map((member) => member.health()))).every(Boolean)) {
      if (performance.now() > until) {
        throw new AgentError(
          'MEMBER_FAILED',
          `the three ZooKeeper members did not serve within ${SERVING_WITHIN_MS / 1000} s: see ${this.folder}/member-1/zookeeper.log`,
        );
      }
      await delay(50);
    }
    this.store = `zk://${servers.map((server) => `${server.address}:${server.clientPort}`).join(',')}/quorate`;
  }

  useDirectory(): void {
    this.store = `dir:${join(this.folder, 'store')}`;
  }

  /** The machines' disks: each has /etc, the first has an nginx tree in its native place. */
  async makeRoots(): Promise<string[]> {
    const roots = [1, 2, 3].map((number) => join(this.folder, `web-${number}`));
    for (const root of roots) await mkdir(join(root, 'etc'), { recursive: true });
    await cp(EXAMPLE, join(roots[0]!, 'etc', 'nginx'), { recursive: true, verbatimSymlinks: true });
    return roots;
  }

  async startAgent(root: string): Promise<void> {
    const id = root.slice(root.lastIndexOf('/') + 1);
    const state = join(root, 'var/lib/quorate');
    await mkdir(state, { recursive: true });
    const log = await import('node:fs').then((fs) => fs.openSync(join(this.folder, `${id}.log`), 'a'));
    // a session of its own: Ctrl-C is for the demo, which then ends its agents in order
    const agent = spawn(
      process.execPath,
      [
        COMMAND,
        '--store',
        this.store,
        '--root',
        root,
        '--state',
        state,
        '--instance',
        id,
        '--config',
        '/dev/null',
        'agent',
      ],
      {
        stdio: ['ignore', log, log],
        detached: true,
      },
    );
    this.instances.push({ id, root, state, agent });
    await this.#note();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.instances.map(({ agent }) => endAgent(agent)));
    await Promise.all(this.#members.map((member) => member.stop('SIGTERM', 2000)));
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Who we are and whom we started, for the sweep of a later demo if this one is killed. */
  async #note(): Promise<void> {
    const pids = [...this.#members.map((member) => member.pid), ...this.instances.map(({ agent }) => agent.pid)];
    const started = await Promise.all(pids.filter((pid) => pid !== undefined).map(identify));
    const note: Note = {
      owner: (await identify(process.pid))!,
      started: started.filter((identity) => identity !== undefined),
    };
    await writeFile(join(this.folder, 'demo.json'), JSON.stringify(note));
  }
}

interface Note {
  readonly owner: ProcessIdentity;
  readonly started: readonly ProcessIdentity[];
}

async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(FOLDER)) continue;
    const folder = join(tmpdir(), name);
    let note: Note;
    try {
      note = JSON.parse(await readFile(join(folder, 'demo.json'), 'utf8'));
    } catch {
      // not ours to judge: another user's, or one that is just being made
      continue;
    }
    if (await lives(note.owner)) continue;
    for (const identity of note.started) if (await lives(identity)) process.kill(identity.pid, 'SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
}

async function endAgent(agent: ChildProcess): Promise<void> {
  if (agent.exitCode !== null || agent.signalCode !== null) return;
  const ended = new Promise((resolve) => agent.once('exit', resolve));
  agent.kill('SIGTERM');
  const timer = setTimeout(() => agent.kill('SIGKILL'), 3000);
  await ended;
  clearTimeout(timer);
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server: NetServer = createServer();
      return new Promise<NetServer>((done, failed) =>
        server.once('error', failed).listen(0, '127.0.0.1', () => done(server)),
      );
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
