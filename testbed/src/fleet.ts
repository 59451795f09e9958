import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Instance, type Named } from './instance.ts';
import { Network } from './network.ts';
import { isGone, OWNER, ownerName } from './owner.ts';
import { signal } from './processes.ts';

export interface FleetOptions {
  readonly instances: number;
  /** dealt out in turn; one zone `a` unless said */
  readonly zones?: readonly string[];
}

export interface MachineOptions {
  /** addresses of the switch outside of 10.0.0.0/8 that it reaches */
  readonly routes?: readonly string[];
  /** whether packages can be installed there */
  readonly ownUsr?: boolean;
}

const FOLDER = 'quorate-fleet-';
let serial = 0;
/** Fleets of this process that are not gone yet. */
const living = new Set<Fleet>();

/** Machines on this machine: network and mount namespaces with real files, real addresses, real power failures. */
export class Fleet implements AsyncDisposable {
  readonly folder: string;
  /** on the host; `SHARE` on each instance: one folder for all, as a network mount is */
  readonly share: string;
  readonly instances: Instance[] = [];
  readonly #network: Network;
  readonly #zones: readonly string[];
  /** numbers are never given twice */
  #numbers = 0;
  /** addresses of services on the switch */
  readonly #services: string[] = [];
  #ending: Promise<void> | undefined;

  private constructor(folder: string, network: Network, zones: readonly string[]) {
    this.folder = folder;
    this.share = join(folder, 'share');
    this.#network = network;
    this.#zones = zones;
    if (living.size === 0) for (const name of SIGNALS) process.on(name, endAll);
    living.add(this);
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
    const owner = ownerName();
    const folder = await mkdtemp(join(tmpdir(), `${FOLDER}${owner}-`));
    const fleet = new Fleet(folder, new Network(owner, ++serial), options.zones ?? ['a']);
    try {
      await mkdir(fleet.share);
      await fleet.#network.create();
      for (let number = 1; number <= options.instances; number++) await fleet.add();
      return fleet;
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** One more machine, running. Without words it is the next in turn. */
  async add(named: Partial<Named> & MachineOptions = {}): Promise<Instance> {
    const number = ++this.#numbers;
    const {
      id = `web-${number}`,
      zone = this.#zones[(number - 1) % this.#zones.length]!,
      address,
      routes = [],
      ownUsr = false,
    } = named;
    const instance = new Instance(this.#network, number, { id, zone, address }, join(this.folder, id), this.share);
    this.instances.push(instance);
    await this.#network.plug(number, instance.address);
    for (const one of routes) await this.#network.route(number, one);
    await instance.install({ ownUsr });
    await instance.start();
    return instance;
  }

  /** A machine ends at once, and neither its disk nor its place on the wire is left; only what its processes printed, until the end of the fleet. */
  async remove(instance: Instance): Promise<void> {
    await instance.wipe();
    const at = this.instances.indexOf(instance);
    if (at >= 0) this.instances.splice(at, 1);
    await this.#network.unplug(instance.number);
  }

  /**
   * Where a service must listen that machines reach: in this network namespace, once it has this address. One that is not of 10.0.0.0/8 must be among
   * the routes of a machine, and no cut hides it: the host below has it.
   */
  async serveAt(address: string): Promise<string> {
    await this.#network.serveAt(address);
    if (address.startsWith('10.')) this.#services.push(address);
    return this.#network.switch;
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

  /** One way only: what `from` send does not arrive at `to`; what `to` send does. */
  async cut(from: readonly Instance[], to: readonly Instance[]): Promise<void> {
    for (const { number } of to)
      await this.#network.block(
        number,
        from.map(({ address }) => address),
        { reaches: true },
      );
  }

  /** One machine that reaches nobody; `hears` or `reaches` keeps one direction. */
  async isolate(instance: Instance, keep: { hears?: boolean; reaches?: boolean } = {}): Promise<void> {
    const others = this.instances.filter((other) => other !== instance).map(({ address }) => address);
    await this.#network.block(instance.number, [...others, ...this.#services], keep);
  }

  /** All cuts end. */
  async heal(): Promise<void> {
    for (const { number } of this.instances) await this.#network.heal(number);
  }

  /** Everything of it goes: processes, namespaces, files. Who calls it again waits for the same end. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#ending ??= this.#destroy();
    return this.#ending;
  }

  /** All of it is tried; what failed is told at the end. */
  async #destroy(): Promise<void> {
    const steps = [
      ...[...this.instances].map((instance) => () => instance.destroy()),
      () => this.#network.destroy(),
      () => rm(this.folder, { recursive: true, force: true }),
    ];
    const failures: unknown[] = [];
    for (const step of steps) await step().catch((error: unknown) => failures.push(error));
    living.delete(this);
    if (living.size === 0) for (const name of SIGNALS) process.off(name, endAll);
    if (failures.length > 0)
      throw new AggregateError(failures, `the fleet in ${this.folder} is not wholly cleared away`);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A signal to the process ends its fleets first, all of them. */
async function endAll(name: NodeJS.Signals): Promise<void> {
  const ended = await Promise.allSettled([...living].map((fleet) => fleet[Symbol.asyncDispose]()));
  for (const end of ended) if (end.status === 'rejected') console.error(end.reason);
  process.exit(128 + constants.signals[name]);
}

/** Clears away what killed runs left: namespaces and folders whose owner lives no more. */
async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const [, owner] = new RegExp(`^${FOLDER}${OWNER}-`).exec(name) ?? [];
    if (!owner || !isGone(owner)) continue;
    await endThoseIn(join(tmpdir(), name));
    await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
  await Network.sweep();
}

/** Processes whose /etc lies in a fleet's folder were started by that fleet. */
async function endThoseIn(folder: string): Promise<void> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const mounts = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => ''); // it ended while we looked
    const here = mounts
      .split('\n')
      .some((line) => line.includes(folder.slice(folder.lastIndexOf('/'))) && line.includes(' /etc '));
    if (here) signal(Number(pid), 'SIGKILL');
  }
}

/** What an instance cannot be without. argv: an empty folder where the disks would be. */
const ATTEMPT = `set -e
cd "$1"
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work lower
nft add table inet testbed
ip link add cable0 type veth peer name cable1
ip link add br0 type bridge`;

function tryNamespaces(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-try-'));
  try {
    for (const name of ['lower', 'upper', 'work']) mkdirSync(join(folder, name));
    const all = ['--mount', '--uts', '--pid', '--fork', '--mount-proc', '--net', '--propagation', 'private'];
    execFileSync('unshare', [...all, 'sh', '-c', ATTEMPT, 'attempt', folder], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    const { stderr } = error as { stderr?: Buffer };
    return `namespaces are not allowed here: ${stderr?.toString().trim() || (error as Error).message}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
