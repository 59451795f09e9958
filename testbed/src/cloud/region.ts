import { join } from 'node:path';
import { Fleet } from '../fleet.ts';
import type { Instance } from '../instance.ts';
import { boot, bootAgain, makeImage } from './boot.ts';
import { Emulator } from './emulator.ts';
import { findMoto } from './moto.ts';
import { S3Server } from './s3.ts';

/** of the switch: where machines reach the region's services */
const ADDRESS = '10.77.0.1';
const PORT = 5000;
/** where EC2 answers an instance about itself */
const METADATA = '169.254.169.254';
/** ms between two looks when the emulator did not answer one */
const AGAIN = 200;

export interface RegionOptions {
  readonly name?: string;
  /** with a real S3 server; that of moto unless said */
  readonly s3?: boolean;
  /** where its machines are made; one of its own, which ends with it, unless said */
  readonly fleet?: Fleet;
  /** what the instances' roles are given; the S3 server must know it */
  readonly credentials?: Credentials;
  /** further variables of all that runs on an instance: what an image has in its /etc/environment */
  readonly environment?: Readonly<Record<string, string>>;
  /** what an image has beside the system; done before the user data is run */
  readonly image?: (instance: Instance, seen: Ec2Instance) => Promise<void>;
  /** what runs again on an instance that was stopped; done before what its first boot left for each */
  readonly again?: (instance: Instance) => Promise<void>;
  /** an instance is about to end, or to be stopped: its processes still run, unless it has lost its power */
  readonly stopping?: (instance: Instance) => void;
  /** the last moment of an instance: its processes have ended, its disk is still there */
  readonly ending?: (instance: Instance) => Promise<void>;
}

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A machine as EC2 has it. */
export interface Ec2Instance {
  readonly id: string;
  readonly address: string;
  readonly zone: string;
  readonly state: 'pending' | 'running' | 'shutting-down' | 'terminated' | 'stopping' | 'stopped';
  /** where its group is taking it, as IMDS tells it: `InService`, `Warmed:Stopped` …; null in no group */
  readonly target: string | null;
  readonly role: string | null;
  /** base64 */
  readonly userData: string | null;
}

/** Calls of instances that go wrong. */
export interface ApiFault {
  readonly kind: 'throttle' | 'down' | 'denied' | 'hang';
  /** as it signs: `autoscaling`, `ec2`, `ssm`, `secretsmanager` …; all unless said */
  readonly service?: string;
  readonly action?: string;
  /** address of the instance */
  readonly from?: string;
  /** of the calls, 0 to 1; all unless said */
  readonly share?: number;
}

/** How often instances called. */
export interface ApiCalls {
  readonly service: string;
  readonly action: string;
  readonly from: string;
  readonly count: number;
}

/**
 * An AWS region on this machine: moto answers the APIs, and each EC2 instance that there is by them is a machine of a fleet. Whoever operates
 * it calls the APIs at `console`, and is never refused; instances reach them at `endpoint`.
 */
export class Region implements AsyncDisposable {
  readonly name: string;
  readonly fleet: Fleet;
  readonly endpoint = `http://${ADDRESS}:${PORT}`;
  /** where the region has one */
  readonly s3: S3Server | undefined;
  /** instances whose machine runs, or ran until its power failed; by id */
  readonly machines = new Map<string, Instance>();
  readonly #options: RegionOptions;
  readonly #emulator: Emulator;
  readonly #ended = new AbortController();
  readonly #following: Promise<void>;
  /** by id: what is being done for an instance */
  readonly #works = new Map<string, Promise<void>>();
  readonly #seen = new Map<string, Ec2Instance['state']>();
  readonly #failures: unknown[] = [];
  #ending: Promise<void> | undefined;

  private constructor(fleet: Fleet, emulator: Emulator, s3: S3Server | undefined, options: RegionOptions) {
    this.fleet = fleet;
    this.name = options.name ?? NAME;
    this.s3 = s3;
    this.#emulator = emulator;
    this.#options = options;
    this.#following = this.#follow();
  }

  /** Why there can be no region here, or undefined. */
  static async unavailable(): Promise<string | undefined> {
    return Fleet.unavailable() ?? ((await findMoto()) ? undefined : 'moto is missing: scripts/moto.ts installs it');
  }

  static async open(options: RegionOptions = {}): Promise<Region> {
    const { name = NAME, credentials: { accessKeyId, secretAccessKey } = EMULATED } = options;
    const fleet = options.fleet ?? (await Fleet.create({ instances: 0 }));
    let s3: S3Server | undefined;
    try {
      const namespace = await fleet.serveAt(ADDRESS);
      await fleet.serveAt(METADATA);
      const folder = join(fleet.folder, 's3');
      if (options.s3)
        s3 = await S3Server.start({ namespace, address: ADDRESS, folder, name, accessKeyId, secretAccessKey });
      const emulator = await Emulator.start(
        name,
        ...['--namespace', namespace, '--address', ADDRESS, '--port', String(PORT)],
        ...['--access-key', accessKeyId, '--secret-key', secretAccessKey],
        ...(s3 ? ['--buckets', s3.buckets] : []),
      );
      return new Region(fleet, emulator, s3, options);
    } catch (error) {
      await s3?.[Symbol.asyncDispose]();
      if (!options.fleet) await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** For a client of AWS's SDK in this process. */
  get console(): { region: string; endpoint: string; credentials: Credentials } {
    return { region: this.name, endpoint: this.#emulator.endpoint, credentials: this.#options.credentials ?? EMULATED };
  }

  /** Variables of everything on an instance: where the region is. Credentials are not among them: those come from its role. */
  get environment(): Record<string, string> {
    const s3: Record<string, string> = this.s3 ? { AWS_ENDPOINT_URL_S3: this.s3.endpoint } : {};
    return { AWS_ENDPOINT_URL: this.endpoint, ...s3, ...this.#options.environment };
  }

  /** All that EC2 knows, the terminated among them. */
  async instances(): Promise<Ec2Instance[]> {
    return (await this.#control<Seen>('GET', '/machines')).machines;
  }

  /** The power of an instance fails, and its disk with it. EC2 sees it fail its status check; its group will replace it. */
  async failHardware(id: string): Promise<void> {
    await this.#machine(id).kill();
    await this.failStatusCheck(id);
  }

  /** EC2 sees an instance fail its status check, which may run all the same; its group will replace it. */
  failStatusCheck(id: string): Promise<void> {
    return this.#tell(id, { impaired: true });
  }

  /** EC2 wants an instance back: it says so to the instance, and, `after` ms later, ends it whatever it says. */
  async interruptSpot(id: string, after = 120_000): Promise<void> {
    const time = new Date(Date.now() + after).toISOString().replace(/\.\d+Z$/, 'Z');
    await this.#tell(id, { spotAction: { action: 'terminate', time } });
    const timer = setTimeout(() => void this.terminate(id).catch((error) => this.#failures.push(error)), after);
    this.#ended.signal.addEventListener('abort', () => clearTimeout(timer));
  }

  /** EC2 tells an instance that it may soon want it back. */
  recommendRebalance(id: string): Promise<void> {
    return this.#tell(id, { rebalance: true });
  }

  /** Terminated through EC2, past its group. */
  async terminate(id: string): Promise<void> {
    const answer = await fetch(this.console.endpoint, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/x-www-form-urlencoded',
        Authorization: `AWS4-HMAC-SHA256 Credential=console/20260101/${this.name}/ec2/aws4_request`,
      },
      body: new URLSearchParams({ Action: 'TerminateInstances', Version: '2016-11-15', 'InstanceId.1': id }),
    });
    if (!answer.ok) throw new Error(`EC2 does not terminate ${id}: ${await answer.text()}`);
  }

  /** What instances meet when they call, from now on; nothing: all is well. */
  async breakApis(...faults: readonly ApiFault[]): Promise<void> {
    await this.#control('PUT', '/faults', faults);
  }

  /** Zones in which nothing can be launched; those that run there go on. */
  async impairZones(...zones: readonly string[]): Promise<void> {
    await this.#control('PUT', '/settings', { impairedZones: zones });
  }

  calls(): Promise<ApiCalls[]> {
    return this.#control('GET', '/calls');
  }

  async forgetCalls(): Promise<void> {
    await this.#control('DELETE', '/calls');
  }

  #machine(id: string): Instance {
    const found = this.machines.get(id);
    if (!found) throw new Error(`no machine runs for ${id}: ${[...this.machines.keys()].join(', ')} do`);
    return found;
  }

  async #tell(id: string, fact: object): Promise<void> {
    await this.#control('POST', `/machines/${id}`, fact);
  }

  async #control<T>(method: string, path: string, told?: unknown): Promise<T> {
    const signal = this.#ended.signal;
    const url = `http://127.0.0.1:${this.#emulator.ports.control}${path}`;
    const answer = await fetch(url, { method, signal, ...(told === undefined ? {} : { body: JSON.stringify(told) }) });
    if (!answer.ok) throw new Error(`the region does not know ${method} ${path}: ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  /** Makes of what EC2 says what is: a machine of each instance that is pending, and an end of each that shuts down. */
  async #follow(): Promise<void> {
    let version = -1;
    while (!this.#ended.signal.aborted) {
      try {
        const seen = await this.#control<Seen>('GET', `/machines?after=${version}`);
        version = seen.version;
        for (const instance of seen.machines) this.#see(instance);
      } catch (error) {
        if (this.#ended.signal.aborted) return;
        this.#failures.push(error); // told at the end
        await new Promise((resolve) => setTimeout(resolve, AGAIN));
      }
    }
  }

  #see(instance: Ec2Instance): void {
    const { id, state } = instance;
    if (this.#seen.get(id) === state) return;
    this.#seen.set(id, state);
    const work = this.#workOf(instance);
    if (!work) return;
    const done = (this.#works.get(id) ?? Promise.resolve()).then(work).catch((error: unknown) => {
      if (!this.#ended.signal.aborted) this.#failures.push(error);
    });
    this.#works.set(id, done);
  }

  #workOf(instance: Ec2Instance): (() => Promise<void>) | undefined {
    const { id, state } = instance;
    if (state === 'pending') return () => (this.machines.has(id) ? this.#startAgain(id) : this.#raise(instance));
    if (state === 'stopping') return () => this.#stop(id);
    if (state === 'shutting-down') return () => this.#end(id);
    return undefined; // it is what it was made to be
  }

  async #raise(instance: Ec2Instance): Promise<void> {
    const { id, zone, address, userData } = instance;
    const machine = await this.fleet.add({ id, zone, address, routes: [METADATA], ownUsr: true });
    this.machines.set(id, machine);
    await makeImage(machine);
    await this.#tell(id, { state: 'running' });
    await this.#options.image?.(machine, instance);
    if (userData)
      await unlessDead(machine, boot(machine, Buffer.from(userData, 'base64').toString(), this.environment));
  }

  async #stop(id: string): Promise<void> {
    const machine = this.#machine(id);
    this.#options.stopping?.(machine);
    await machine.stop();
    await this.#tell(id, { state: 'stopped' });
  }

  async #startAgain(id: string): Promise<void> {
    const machine = this.#machine(id);
    await machine.start();
    await this.#tell(id, { state: 'running' });
    await this.#options.again?.(machine);
    await unlessDead(machine, bootAgain(machine, this.environment));
  }

  async #end(id: string): Promise<void> {
    const machine = this.machines.get(id);
    if (machine) {
      this.#options.stopping?.(machine);
      await machine.stop();
      await this.#options.ending?.(machine);
      await this.fleet.remove(machine);
    }
    this.machines.delete(id);
    await this.#tell(id, { state: 'terminated' });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#ending ??= this.#destroy();
    return this.#ending;
  }

  async #destroy(): Promise<void> {
    this.#ended.abort();
    await this.#following;
    await Promise.all(this.#works.values());
    await this.#emulator[Symbol.asyncDispose]();
    await this.s3?.[Symbol.asyncDispose]();
    if (!this.#options.fleet) await this.fleet[Symbol.asyncDispose]();
    if (this.#failures.length > 0)
      throw new AggregateError(this.#failures, `region ${this.name} was not what it should be`);
  }
}

const NAME = 'eu-central-1';
const EMULATED: Credentials = { accessKeyId: 'emulated', secretAccessKey: 'emulated' };

interface Seen {
  readonly version: number;
  readonly machines: Ec2Instance[];
}

/** What was to be done on a machine is no more when its power has failed meanwhile. */
async function unlessDead(machine: Instance, work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (machine.running) throw error;
  });
}
