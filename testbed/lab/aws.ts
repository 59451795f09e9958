import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { RefreshPreferences } from '@aws-sdk/client-auto-scaling';
import { deploy, Group, Region } from '../src/cloud/index.ts';
import { COMMAND, type Instance, until } from '../src/index.ts';
import { deployConstruct } from './construct.ts';
import { type Lab, monotonic } from './lab.ts';
import { Load } from './load.ts';
import type { Machine } from './machine.ts';
import { BUCKET, groupTemplate } from './template.ts';

/** ms for anything to come about: a bound for what never comes */
const PATIENCE = 240_000;
/** of a group */
const ZONES = 3;
/** ms between two looks of whoever balances the load */
const BALANCE = 300;

export interface GroupOptions {
  readonly desired: number;
  /** the construct's own template and the real package; else the lab's template, and the agent of the checkout */
  readonly packaged?: boolean;
  /** how far the wall clocks of instances are ahead, in ms: one after the other, again and again */
  readonly clocks?: readonly number[];
}

/** An instance that gets requests, by the monotonic clock in ms. */
interface Service {
  readonly id: string;
  readonly address: string;
  readonly from: number;
  /** when its power went, or its end began */
  to: number;
}

/** An auto-scaling group whose instances are the lab's machines. */
export class AwsGroup implements AsyncDisposable {
  readonly region: Region;
  readonly group: Group;
  readonly #lab: Lab;
  /** of all instances that ever got requests */
  readonly #services: Service[];
  #load: Load | undefined;
  #balanced: Promise<void> | undefined;
  readonly #ended = new AbortController();

  private constructor(lab: Lab, region: Region, group: Group, services: Service[]) {
    this.#lab = lab;
    this.region = region;
    this.group = group;
    this.#services = services;
  }

  static async open(lab: Lab, { desired, packaged = false, clocks = [] }: GroupOptions): Promise<AwsGroup> {
    const machines = new Map<string, Machine>();
    const services: Service[] = [];
    const region: Region = await Region.open({
      fleet: lab.fleet,
      s3: true,
      image: async (instance) => {
        const machine = lab.appeared(instance, region.environment);
        const ahead = clocks[machines.size % clocks.length];
        machines.set(instance.id, machine);
        if (ahead !== undefined) await instance.setClock(ahead);
        machine.startApplication();
        await machine.startNginx();
      },
      stopping: ({ id }) => {
        lab.vanished(machines.get(id)!);
        endService(services, id);
      },
      ending: ({ id }) => machines.get(id)!.keepMemberLog(),
    });
    try {
      const name = packaged ? await deployConstruct(region, desired) : await deployOwn(region, desired);
      return new AwsGroup(lab, region, new Group(region, name), services);
    } catch (error) {
      await region[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The group is to have so many, and has them, and no other. */
  async scaleTo(count: number): Promise<void> {
    await this.group.setDesired(count);
    await this.group.comesTo(count);
  }

  /** Through EC2, past the group, at the same moment: their power goes at once. */
  async terminate(...machines: readonly Machine[]): Promise<void> {
    for (const { id } of machines) endService(this.#services, id);
    await Promise.all(machines.map((machine) => machine.cutPower()));
    await Promise.all(machines.map(({ id }) => this.region.terminate(id)));
  }

  /** Their power and their disks are gone, and EC2 sees that they fail. */
  async failHardware(...machines: readonly Machine[]): Promise<void> {
    for (const machine of machines) {
      endService(this.#services, machine.id);
      this.#lab.vanished(machine);
    }
    await Promise.all(machines.map(({ id }) => this.region.failHardware(id)));
  }

  /** No zone has two instances more than another, and all serve. */
  async spreads(): Promise<void> {
    await until(
      'the group is spread evenly',
      async () => {
        const members = await this.group.members();
        const zones = Map.groupBy(members, ({ AvailabilityZone }) => AvailabilityZone);
        const counts = [...zones.values()].map(({ length }) => length);
        const serve = members.every(({ LifecycleState }) => LifecycleState === 'InService');
        return serve && zones.size === ZONES && Math.max(...counts) - Math.min(...counts) <= 1;
      },
      2 * PATIENCE,
    );
  }

  /** The group has noticed that these are no more, and has so many without them. */
  async replaced(machines: readonly Machine[], count: number): Promise<void> {
    const gone = machines.map(({ id }) => id);
    await until(
      `the group has done with ${gone.join(', ')}`,
      async () => {
        const members = await this.group.members();
        return members.every(({ InstanceId }) => !gone.includes(InstanceId!));
      },
      2 * PATIENCE,
    );
    await this.group.comesTo(count);
  }

  /** All instances are replaced, and those that were are gone. @returns when the group has so many */
  async refresh(count: number, preferences: RefreshPreferences): Promise<void> {
    const before = await this.group.inService();
    await this.group.refreshed(await this.group.refresh(preferences));
    const old = (await this.group.comesTo(count)).filter((id) => before.includes(id));
    if (old.length > 0) throw new Error(`${old.join(', ')} were not replaced`);
  }

  /** The archive has all that was published, as the ensemble knows. */
  async archived(): Promise<void> {
    let last: unknown;
    const come = until(
      'the archive has all',
      async () => {
        const [machine] = this.#lab.running;
        const { stdout } = await machine!.quorate('ensemble', 'status', '--json');
        last = (JSON.parse(stdout) as { archive?: { open: boolean; behind: number } }).archive;
        const { open, behind } = last as { open: boolean; behind: number };
        return open && behind === 0;
      },
      PATIENCE,
    );
    await come.catch((cause: Error) => {
      throw new Error(`${cause.message}: ${JSON.stringify(last)}`, { cause });
    });
  }

  /** Requests from this machine to all instances in service, as a load balancer sends them: from when the group says so, until it says otherwise. */
  beginLoad(from: Instance): void {
    const load = Load.begin(from);
    this.#load = load;
    this.#balanced = this.#balance(load);
  }

  async #balance(load: Load): Promise<void> {
    while (!this.#ended.signal.aborted) {
      const serving = new Set(await this.group.inService());
      const machines = this.#lab.running.filter(({ id }) => serving.has(id));
      for (const { id, address } of machines)
        if (!this.#services.some((one) => one.id === id))
          this.#services.push({ id, address, from: monotonic(), to: Number.POSITIVE_INFINITY });
      load.aimAt(machines.map(({ address }) => address));
      await delay(BALANCE, undefined, { signal: this.#ended.signal }).catch(() => undefined); // the end of the load
    }
  }

  /** @returns how many requests were answered. @throws Error where one was not, and its instance was in service all the while */
  async endLoad(): Promise<number> {
    this.#ended.abort();
    await this.#balanced;
    if (!this.#load) return 0;
    const { answered, faults } = await this.#load.end();
    const bad = faults.filter((fault) =>
      this.#services.some((one) => one.address === fault.address && one.from <= fault.from && fault.to < one.to),
    );
    if (bad.length > 0)
      throw new Error(`${bad.length} of ${answered + bad.length} requests: ${JSON.stringify(bad.slice(0, 10))}`);
    return answered;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#balanced?.catch(() => undefined); // what went wrong with it was told by `endLoad`, where that was asked for
    this.group[Symbol.dispose]();
    await this.region[Symbol.asyncDispose]();
  }
}

/** @returns the group's name */
async function deployOwn(region: Region, desired: number): Promise<string> {
  const { resources } = await deploy(region, 'web', groupTemplate({ desired, userData: userData() }));
  return resources.get('Group')!.id;
}

/** From now on it cannot be expected to answer. */
function endService(services: readonly Service[], id: string): void {
  const service = services.find((one) => one.id === id);
  if (service) service.to = Math.min(service.to, monotonic());
}

/** What an instance does at its first boot: the settings, which name nobody, and the agent of this checkout. */
function userData(): string {
  const settings = {
    aws: {},
    ensemble: {
      cluster: randomUUID(),
      discovery: { autoScaling: {} },
      arbiter: { s3: `s3://${BUCKET}/arbiter` },
      secret: '/etc/quorate/secret',
    },
    archive: { to: `s3://${BUCKET}/archive` },
  };
  return `#!/bin/sh
set -eu
install -d -m 0755 /etc/quorate
cat >/etc/quorate/quorate.yaml <<'QUORATE'
${JSON.stringify(settings)}
QUORATE
(umask 077; echo ${randomBytes(32).toString('base64')} >/etc/quorate/secret)
'${process.execPath}' '${COMMAND}' agent &
`;
}
