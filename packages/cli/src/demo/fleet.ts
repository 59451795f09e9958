import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identify, LoopbackEnsemble, lives, type Member, type ProcessIdentity } from '@quorate/agent';
import { layExample } from './example.ts';

/** The command as it was started itself: in a checkout, from npm, or as one file. */
const COMMAND = process.argv[1]!;
const FOLDER = 'quorate-demo-';

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
  #ensemble: LoopbackEnsemble | undefined;

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

  /** Three members on free ports of the loopback address. @throws AgentError NO_JAVA, MEMBER_FAILED */
  async startEnsemble(): Promise<void> {
    const onStart = (members: readonly Member[]): Promise<void> => this.#note(members);
    this.#ensemble = await LoopbackEnsemble.start(this.folder, 3, { onStart });
    this.store = `zk://${this.#ensemble.servers}/quorate`;
  }

  useDirectory(): void {
    this.store = `dir:${join(this.folder, 'store')}`;
  }

  /** The machines' disks: each has /etc, the first has an nginx tree in its native place. */
  async makeRoots(): Promise<string[]> {
    const roots = [1, 2, 3].map((number) => join(this.folder, `web-${number}`));
    for (const root of roots) await mkdir(join(root, 'etc'), { recursive: true });
    await layExample(join(roots[0]!, 'etc/nginx'));
    return roots;
  }

  /** What a second terminal sources: the command, and this fleet as the first machine sees it. */
  async writeEnvironment(): Promise<void> {
    const bin = join(this.folder, 'bin');
    await mkdir(bin);
    const command = `#!/bin/sh\nexec '${process.execPath}' '${COMMAND}' "$@"\n`;
    await writeFile(join(bin, 'quorate'), command, { mode: 0o755 });
    const machines = this.instances.map(({ id, root }) => `${id.replace('-', '_')}='${root}'`);
    const lines = [
      `export PATH='${bin}':"$PATH"`,
      `export QUORATE_STORE='${this.store}' QUORATE_ROOT='${this.instances[0]!.root}' QUORATE_CONFIG=/dev/null`,
      ...machines,
    ];
    await writeFile(join(this.folder, 'env'), `${lines.join('\n')}\n`);
  }

  async startAgent(root: string): Promise<void> {
    const id = root.slice(root.lastIndexOf('/') + 1);
    const state = join(root, 'var/lib/quorate');
    await mkdir(state, { recursive: true });
    const log = openSync(join(this.folder, `${id}.log`), 'a');
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
    await this.#ensemble?.[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Who we are and whom we started, for the sweep of a later demo if this one is killed. */
  async #note(members: readonly Member[] = this.#ensemble?.members ?? []): Promise<void> {
    const pids = [...members.map((member) => member.pid), ...this.instances.map(({ agent }) => agent.pid)];
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
