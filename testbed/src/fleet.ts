import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Instance } from './instance.ts';
import { Network } from './network.ts';

export interface FleetOptions {
  readonly instances: number;
  /** dealt out in turn; one zone `a` unless said */
  readonly zones?: readonly string[];
}

const FOLDER = 'quorate-fleet-';
let serial = 0;

/** Machines on this machine: network and mount namespaces with real files, real addresses, real power failures. */
export class Fleet implements AsyncDisposable {
  readonly folder: string;
  readonly instances: Instance[] = [];
  readonly #network: Network;
  readonly #zones: readonly string[];
  readonly #end = (): void => {
    // a signal to the test ends the fleet too: at once and without waiting for anybody
    for (const instance of this.instances) void instance.kill();
    void this[Symbol.asyncDispose]().finally(() => process.exit(1));
  };

  private constructor(folder: string, network: Network, zones: readonly string[]) {
    this.folder = folder;
    this.#network = network;
    this.#zones = zones;
    process.once('SIGINT', this.#end);
    process.once('SIGTERM', this.#end);
  }

  /** Why fleets cannot be made here, or undefined. Tests that need one say this when they are left out. */
  static unavailable(): string | undefined {
    if (process.platform !== 'linux') return 'needs Linux';
    if (process.geteuid?.() !== 0) return 'needs root for network and mount namespaces';
    for (const command of ['ip', 'nft', 'nsenter', 'unshare']) {
      try {
        execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' });
      } catch {
        return `needs ${command}`; // told to whoever runs the tests
      }
    }
    return tryNamespaces();
  }

  static async create(options: FleetOptions): Promise<Fleet> {
    await sweep();
    const owner = `${process.pid}-${startTime(process.pid)}`;
    const folder = await mkdtemp(join(tmpdir(), `${FOLDER}${owner}-`));
    const fleet = new Fleet(folder, new Network(owner, ++serial), options.zones ?? ['a']);
    try {
      await fleet.#network.create();
      for (let number = 1; number <= options.instances; number++) await fleet.add();
      return fleet;
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** One more machine, running. */
  async add(): Promise<Instance> {
    const number = this.instances.length + 1;
    const zone = this.#zones[(number - 1) % this.#zones.length]!;
    const instance = new Instance(this.#network, number, `web-${number}`, zone, join(this.folder, `web-${number}`));
    this.instances.push(instance);
    await this.#network.plug(number);
    await instance.install();
    await instance.start();
    return instance;
  }

  /** Groups that reach only themselves. */
  async partition(...groups: readonly (readonly Instance[])[]): Promise<void> {
    for (const group of groups) {
      const others = groups.filter((other) => other !== group).flat();
      for (const instance of group)
        await this.#network.block(
          instance.number,
          others.map(({ address }) => address),
        );
    }
  }

  /** One machine that reaches nobody; `hears` or `reaches` keeps one direction. */
  async isolate(instance: Instance, keep: { hears?: boolean; reaches?: boolean } = {}): Promise<void> {
    const others = this.instances.filter((other) => other !== instance).map(({ address }) => address);
    await this.#network.block(instance.number, others, keep);
  }

  async heal(): Promise<void> {
    for (const { number } of this.instances) await this.#network.heal(number);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('SIGINT', this.#end);
    process.off('SIGTERM', this.#end);
    for (const instance of this.instances) await instance.destroy();
    await this.#network.destroy();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Clears away what killed runs left: namespaces and folders whose owner lives no more. */
async function sweep(): Promise<void> {
  const alive = async (pid: number, started: string): Promise<boolean> => startTime(pid) === started;
  for (const name of await readdir(tmpdir())) {
    const [, pid, started] = /^quorate-fleet-(\d+)-(\d+)-/.exec(name) ?? [];
    if (!pid || !started || (await alive(Number(pid), started))) continue;
    await endThoseIn(join(tmpdir(), name));
    await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
  await Network.sweep(alive);
}

/** Processes whose /etc lies in a fleet's folder were started by that fleet. */
async function endThoseIn(folder: string): Promise<void> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const mounts = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => ''); // it ended while we looked
    const here = mounts
      .split('\n')
      .some((line) => line.includes(folder.slice(folder.lastIndexOf('/'))) && line.includes(' /etc '));
    if (here) process.kill(Number(pid), 'SIGKILL');
  }
}

/** Clock ticks since boot at which a process began: with its number it is unique. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined; // no such process
  }
}

function tryNamespaces(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-try-'));
  try {
    execFileSync(
      'unshare',
      ['--mount', '--uts', '--net', '--propagation', 'private', 'mount', '-t', 'tmpfs', 'tmpfs', folder],
      { stdio: 'pipe' },
    );
    return undefined;
  } catch (error) {
    return `namespaces are not allowed here: ${(error as Error).message.split('\n')[0]}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
