import type { RefreshPreferences } from '@aws-sdk/client-auto-scaling';
import { Group, Region } from '../src/cloud/index.ts';
import { type Instance, until } from '../src/index.ts';
import { Balancer } from './balancer.ts';
import { type CheckoutOptions, deployCheckout } from './checkout.ts';
import { deployConstruct } from './construct.ts';
import type { Lab } from './lab.ts';
import type { Machine } from './machine.ts';
import { Outages } from './outage.ts';

/** ms for anything to come about: a bound for what never comes */
const PATIENCE = 240_000;
/** of a group */
const ZONES = 3;

export interface GroupOptions extends CheckoutOptions {
  /** the construct's own template and the real package; else the lab's template, and the agent of the checkout */
  readonly packaged?: boolean;
  /** how far the wall clocks of instances are ahead, in ms: one after the other, again and again */
  readonly clocks?: readonly number[];
}

/** An auto-scaling group whose instances are the lab's machines. */
export class AwsGroup implements AsyncDisposable {
  readonly region: Region;
  readonly group: Group;
  readonly #lab: Lab;
  /** all that ever were, by id */
  readonly #machines: ReadonlyMap<string, Machine>;
  readonly #balancer: Balancer;
  /** where S3 is to be away at each turn of a story */
  readonly #outages: Outages | undefined;

  private constructor(
    lab: Lab,
    region: Region,
    group: Group,
    known: { machines: ReadonlyMap<string, Machine>; balancer: Balancer },
  ) {
    this.#lab = lab;
    this.region = region;
    this.group = group;
    this.#machines = known.machines;
    this.#balancer = known.balancer;
    this.#outages = lab.s3Down ? new Outages(region.s3!, (line) => lab.say(line)) : undefined;
  }

  static async open(lab: Lab, { packaged = false, clocks = [], ...options }: GroupOptions): Promise<AwsGroup> {
    const machines = new Map<string, Machine>();
    const balancer = new Balancer();
    const region: Region = await Region.open({
      fleet: lab.fleet,
      s3: true,
      image: async (instance, { target }) => {
        const isWarm = target?.startsWith('Warmed:') ?? false;
        const machine = lab.appeared(instance, { environment: region.environment, isSpare: isWarm });
        const ahead = clocks[machines.size % clocks.length];
        machines.set(instance.id, machine);
        if (ahead !== undefined) await instance.setClock(ahead);
        await serve(machine);
      },
      again: async ({ id }) => {
        balancer.runsAgain(id);
        const machine = machines.get(id)!;
        lab.entered(machine);
        await serve(machine);
      },
      stopping: ({ id }) => {
        lab.vanished(machines.get(id)!);
        balancer.fails(id);
      },
      ending: ({ id }) => machines.get(id)!.keepMemberLog(),
    });
    try {
      const name = packaged ? await deployConstruct(region, options.desired) : await deployCheckout(region, options);
      return new AwsGroup(lab, region, new Group(region, name), { machines, balancer });
    } catch (error) {
      await region[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The group is to have so many, and has them, and no other. */
  async scaleTo(count: number): Promise<void> {
    await this.#outages?.begin();
    await this.group.setDesired(count);
    await this.group.comesTo(count);
  }

  /** Through EC2, past the group, at the same moment: their power goes at once. */
  async terminate(...machines: readonly Machine[]): Promise<void> {
    await this.#outages?.begin();
    for (const { id } of machines) this.#balancer.fails(id);
    await Promise.all(machines.map((machine) => machine.cutPower()));
    await Promise.all(machines.map(({ id }) => this.region.terminate(id)));
  }

  /** Their power and their disks are gone, and EC2 sees that they fail. */
  async failHardware(...machines: readonly Machine[]): Promise<void> {
    await this.#outages?.begin();
    for (const machine of machines) {
      this.#balancer.fails(machine.id);
      this.#lab.vanished(machine);
    }
    await Promise.all(machines.map(({ id }) => this.region.failHardware(id)));
  }

  /** EC2 takes them back, as it says to them two minutes before, at the same moment. */
  async interruptSpot(...machines: readonly Machine[]): Promise<void> {
    await this.#outages?.begin();
    await Promise.all(machines.map(({ id }) => this.region.interruptSpot(id)));
  }

  machine(id: string): Machine {
    return this.#machines.get(id)!;
  }

  /** Its place in the ensemble, and then what EC2 says of it. */
  async standing({ id, address }: Machine): Promise<{ isMember: boolean; state: string }> {
    const { configuration } = await this.#lab.look();
    const { state } = (await this.region.instances()).find((one) => one.id === id)!;
    return { isMember: configuration.members.some((member) => member.address === address), state };
  }

  /** It is out of the ensemble, and EC2 has not ended it yet. @returns s that this took */
  async leaves(machine: Machine): Promise<number> {
    const from = performance.now();
    const state = await until(
      `${machine.id} is out of the ensemble`,
      async () => {
        const standing = await this.standing(machine);
        return !standing.isMember && standing.state;
      },
      PATIENCE,
    );
    if (state !== 'running') throw new Error(`${machine.id} left when it was ${state}`);
    return (performance.now() - from) / 1000;
  }

  /** So many serve beside this one. */
  async serves(count: number, but: Machine): Promise<void> {
    await until(
      `${count} serve beside ${but.id}`,
      async () => (await this.group.inService()).filter((id) => id !== but.id).length === count,
      PATIENCE,
    );
  }

  /** These are protected from scale-in, and no other. */
  async protects(machines: readonly Machine[]): Promise<void> {
    const wanted = machines.map(({ id }) => id).toSorted();
    await until(
      `${wanted.join(', ')} are protected`,
      async () => {
        const members = (await this.group.members()).filter(({ ProtectedFromScaleIn }) => ProtectedFromScaleIn);
        return String(members.map(({ InstanceId }) => InstanceId!).toSorted()) === String(wanted);
      },
      PATIENCE,
    );
  }

  /** One is left, and says that it waits until the archive has all. */
  async lastWaits(): Promise<void> {
    await until(
      'the last instance waits for the archive',
      async () => {
        const [last, ...others] = await this.group.members();
        if (!last || others.length > 0) return false;
        return (await this.machine(last.InstanceId!).agentLog()).includes('the archive has not all yet');
      },
      PATIENCE,
    );
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
    await this.#outages?.begin();
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

  /** Requests from this machine to all instances in service. */
  beginLoad(from: Instance): void {
    this.#balancer.begin(from, async () => {
      const serving = new Set(await this.group.inService());
      return this.#lab.running.filter(({ id }) => serving.has(id));
    });
  }

  /** @returns how many requests were answered. @throws Error where one was not, and its instance was in service all the while */
  endLoad(): Promise<number> {
    return this.#balancer.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#balancer.stop().catch(() => undefined); // what went wrong with it was told by `endLoad`, where that was asked for
    this.group[Symbol.dispose]();
    await this.#outages?.[Symbol.asyncDispose]();
    await this.region[Symbol.asyncDispose]();
  }
}

/** What runs on every machine of the lab beside the agent. */
async function serve(machine: Machine): Promise<void> {
  machine.startApplication();
  await machine.startNginx();
}
