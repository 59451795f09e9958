import {
  admit,
  type FoundingPromise,
  type FoundingRecord,
  type FoundingStep,
  type FoundingView,
  type PeerAnswer,
  type PeerServer,
  planFounding,
  planMembership,
} from '../../src/index.ts';

const CLUSTER = 'c';
const PORTS = { client: 2281, local: 2181, quorum: 2888, election: 3888, peer: 2280 };

interface Holder {
  readonly id: number;
  readonly instance: string;
  readonly incarnation: string;
  readonly role: 'voter' | 'observer';
}

/** One transaction: a client's write, a configuration, or the record of the cluster in the tree. */
interface Entry {
  readonly at: string;
  readonly write?: number;
  readonly config?: readonly Holder[];
  readonly tree?: number;
}

/** A member's data directory. */
interface Data {
  readonly id: number;
  epoch: number;
  log: readonly Entry[];
  /** entries that it knows to be committed */
  committed: number;
}

interface Disk {
  incarnation: string;
  generation: number;
  data?: Data;
  promised?: FoundingPromise;
}

/** A look that takes its time: what was seen first may be another by now. */
interface Seen {
  readonly begun: Pick<FoundingView, 'own' | 'arbiter' | 'session'>;
  readonly version: number;
  readonly answers: Map<string, PeerAnswer>;
  peers: FoundingView['peers'];
  /** how many machines it has asked in turn */
  heard: number;
}

export interface Machine {
  readonly name: string;
  alive: boolean;
  terminated: boolean;
  /** the discovery says so */
  confirmed: boolean;
  disk: Disk;
  /** its member's process */
  running: boolean;
  /** machines hear each other on the same side */
  side: number;
  arbiter: boolean;
  discovery: boolean;
  /** what its agent has seen so far and not yet acted upon */
  seen?: Seen | undefined;
}

/** A leader, and who follows it and has what it has. */
interface Ensemble {
  readonly leader: Machine;
  readonly synced: Set<Machine>;
}

/** Where in an action the machine loses its power. */
export type Crash = 'never' | 'before' | 'within' | 'after';

/**
 * Machines with agents that do what `planFounding` says, real rules for what their members can acknowledge (majorities of the last committed and
 * of every later configuration that the leader's log has), an arbiter, and a discovery that is late but never lies about the terminated.
 */
export class FoundingWorld {
  readonly story: string[] = [];
  readonly machines: Machine[] = [];
  claims = 0;
  refoundings = 0;
  #record: FoundingRecord | undefined;
  #version = 0;
  #ensembles: Ensemble[] = [];
  #acknowledged = new Set<number>();
  /** a controller that was interrupted between the arbiter and the ensemble goes on from here */
  #admitted:
    | {
        readonly by: Machine;
        readonly from: readonly Holder[];
        readonly instance: string;
        readonly incarnation: string;
      }
    | undefined;
  #writes = 0;
  #epoch = 0;
  #time = 0;
  #made = 0;

  get record(): FoundingRecord | undefined {
    return this.#record;
  }

  get ensembles(): readonly Ensemble[] {
    return this.#ensembles;
  }

  get living(): Machine[] {
    return this.machines.filter(({ alive }) => alive);
  }

  pick(at: number): Machine | undefined {
    return this.machines[at % Math.max(1, this.machines.length)];
  }

  /** A machine that is there from now on, with an empty disk. */
  make(): Machine {
    const name = `web-${this.machines.length + 1}`;
    const machine: Machine = {
      name,
      alive: true,
      terminated: false,
      confirmed: false,
      disk: this.#emptyDisk(name),
      running: false,
      side: 0,
      arbiter: true,
      discovery: true,
    };
    this.machines.push(machine);
    this.tell(`${name} starts from nothing`);
    return machine;
  }

  kill(machine: Machine): void {
    if (!machine.alive) return;
    this.#powerOff(machine);
    this.tell(`${machine.name} loses its power`);
    this.elect();
  }

  restart(machine: Machine, withDisk: boolean): void {
    if (machine.alive || machine.terminated) return;
    machine.alive = true;
    if (!withDisk) machine.disk = this.#emptyDisk(machine.name);
    this.tell(`${machine.name} is back ${withDisk ? 'with' : 'without'} its disk`);
  }

  terminate(machine: Machine): void {
    if (machine.terminated) return;
    this.#powerOff(machine);
    machine.terminated = true;
    this.tell(`${machine.name} is terminated`);
    this.elect();
  }

  confirm(machine: Machine): void {
    if (!machine.terminated || machine.confirmed) return;
    machine.confirmed = true;
    this.tell(`the discovery says that ${machine.name} is terminated`);
  }

  part(machine: Machine, side: number): void {
    if (machine.side === side) return;
    machine.side = side;
    this.tell(`${machine.name} is on side ${side} of the network`);
    this.elect();
  }

  reach(machine: Machine, what: 'arbiter' | 'discovery', reached: boolean): void {
    if (machine[what] === reached) return;
    machine[what] = reached;
    this.tell(`${machine.name} ${reached ? 'reaches' : 'does not reach'} the ${what}`);
  }

  /** Everybody sees and hears everybody and everything; who is dead for good is known to be. */
  heal(): void {
    for (const machine of this.machines) {
      this.part(machine, 0);
      this.reach(machine, 'arbiter', true);
      this.reach(machine, 'discovery', true);
      this.confirm(machine);
    }
  }

  // —— agents ——

  /** The agent looks around: the arbiter first, then the others, all at one moment. */
  look(machine: Machine): void {
    this.begin(machine);
    this.discover(machine);
    for (const other of this.machines) this.hear(machine, other);
  }

  /** A look begins: with the arbiter, as long as the arbiter can be asked. */
  begin(machine: Machine): void {
    if (!machine.alive) return;
    const begun = {
      own: this.#answerOf(machine),
      arbiter: machine.arbiter ? ({ kind: 'shared', record: this.#record } as const) : ({ kind: 'unknown' } as const),
      session: this.#ensembleFor(machine) !== undefined,
    };
    machine.seen = { begun, version: this.#version, answers: new Map(), peers: undefined, heard: 0 };
  }

  /** What the discovery lists at this moment. */
  discover({ seen, discovery }: Machine): void {
    if (!seen || !discovery) return;
    seen.peers = this.machines.map(({ name, confirmed }) => ({
      address: name,
      instance: name,
      ...(confirmed ? { state: 'terminated' as const } : {}),
    }));
  }

  /** What another machine answers at this moment. */
  hear({ seen, side, name }: Machine, other: Machine): void {
    if (seen && other.alive && other.side === side && other.name !== name)
      seen.answers.set(other.name, this.#answerOf(other));
  }

  /** The agent does what follows from what it saw, which may be long ago. */
  act(machine: Machine, crash: Crash = 'never'): FoundingStep | undefined {
    const { seen } = machine;
    if (!machine.alive || !seen) return undefined;
    machine.seen = undefined;
    const step = planFounding({
      ...seen.begun,
      mayFound: true,
      peers: seen.peers,
      answers: [...seen.answers.values()],
    });
    if (crash !== 'before') this.#carryOut(machine, step, seen.version, crash);
    if (crash !== 'never') this.kill(machine);
    this.elect();
    this.check();
    return step;
  }

  #answerOf(machine: Machine): PeerAnswer {
    const { name, disk, running } = machine;
    const { data } = disk;
    const configs =
      data?.log.flatMap(({ config, at }, index) => (config ? [{ config, at, holds: index < data.committed }] : [])) ??
      [];
    const newest = configs.findLast(({ holds }) => holds);
    const proposed = configs.at(-1);
    return {
      format: 1,
      instance: name,
      address: name,
      cluster: CLUSTER,
      generation: disk.generation,
      incarnation: disk.incarnation,
      ...(disk.promised && !running ? { promised: disk.promised } : {}),
      ...(data
        ? {
            member: {
              id: data.id,
              running,
              serving: this.#ensembles.some(({ synced }) => synced.has(machine)),
              epoch: data.epoch,
              zxid: data.log.at(-1)?.at ?? '0',
              configVersion: newest?.at ?? '0',
              servers: serversOf(newest?.config ?? []),
              ...(proposed && !proposed.holds
                ? { proposed: { configVersion: proposed.at, servers: serversOf(proposed.config) } }
                : {}),
            },
          }
        : {}),
    };
  }

  #carryOut(machine: Machine, step: FoundingStep, version: number, crash: Crash): void {
    const { disk, name } = machine;
    if (step.kind !== 'wait' && step.kind !== 'join' && step.kind !== 'follow')
      this.tell(`${name}: ${step.kind}: ${step.reason}`);
    switch (step.kind) {
      case 'claim':
      case 'confirm':
      case 'withdraw':
        this.#claim(machine, step, version);
        break;
      case 'found':
        disk.generation = step.generation;
        if (crash === 'within') return;
        this.#found(machine);
        break;
      case 'promise':
        disk.promised = step.promised;
        if (crash === 'within') return;
        machine.running = false;
        break;
      case 'start':
        delete disk.promised;
        machine.running = true;
        break;
      case 'stay-down':
        machine.running = false;
        break;
      case 'renew':
        this.#renew(machine);
        break;
      case 'follow':
        this.#follow(machine);
        break;
      case 'wait':
      case 'join':
    }
  }

  #claim(machine: Machine, step: Extract<FoundingStep, { record: FoundingRecord }>, version: number): void {
    if (!machine.arbiter || version !== this.#version) {
      this.tell(`${machine.name} ${machine.arbiter ? 'loses: the record has changed since' : 'does not get through'}`);
      return;
    }
    if (step.record.revision !== (this.#record?.revision ?? 0) + 1) this.fail('a revision is left out or used twice');
    this.#record = step.record;
    this.#version++;
    if (step.kind !== 'claim') return;
    this.claims++;
    this.#checkLoss(machine, step.reason);
  }

  /** What is left behind by a founding may only be what nobody has any more, and it is said. */
  #checkLoss(founder: Machine, reason: string): void {
    const kept = writesOf(founder.disk.data);
    const lost = [...this.#acknowledged].filter((write) => !kept.has(write));
    for (const write of lost) {
      const holder = this.machines.find(({ terminated, disk }) => !terminated && writesOf(disk.data).has(write));
      if (holder) this.fail(`write ${write} is left behind, although ${holder.name} has it`);
      this.#acknowledged.delete(write);
    }
    if (lost.length > 0 && !/lost|is left/.test(reason)) this.fail(`writes are lost, and it is not said: ${reason}`);
    if (founder.disk.data) this.refoundings++;
  }

  #found(machine: Machine): void {
    const { disk, name } = machine;
    delete disk.promised;
    const id = disk.data?.id ?? 1;
    const config = [{ id, instance: name, incarnation: disk.incarnation, role: 'voter' }] as const;
    const log = [...(disk.data?.log ?? []), { at: this.#zxid(), config }];
    // what was proposed before names nobody any more: the file of a configuration is written anew
    disk.data = { id, epoch: ++this.#epoch, log, committed: log.length };
    machine.running = true;
  }

  #renew(machine: Machine): void {
    const { promised } = machine.disk;
    machine.running = false;
    machine.disk = { ...this.#emptyDisk(machine.name), ...(promised ? { promised } : {}) };
  }

  /** What an ensemble says is done as `planMembership` has it; its founder writes the tree's record first. */
  #follow(machine: Machine): void {
    const ensemble = this.#ensembleFor(machine);
    if (!ensemble) return;
    const { disk, name } = machine;
    const record = this.#record;
    const isFounder = record?.founder.instance === name && record.founder.incarnation === disk.incarnation;
    if (ensemble.leader === machine && isFounder && record.state === 'founded' && machine.arbiter)
      if (treeOf(disk.data!) !== record.generation) this.#store(ensemble, { tree: record.generation }, 0);
    const { data } = ensemble.leader.disk;
    const config = configOf(data!);
    const generation = treeOf(data!);
    const settings = { voters: 5, members: 25, deadAfter: 300 };
    const decision = planMembership({
      instance: name,
      identity: { cluster: CLUSTER, ...disk, ...(disk.data ? { id: disk.data.id } : {}) },
      cluster: generation === undefined ? undefined : { format: 1, cluster: CLUSTER, generation, settings },
      records: config.map((holder) => ({ ...holder, format: 1, zone: '', address: '', ports: PORTS })),
      configured: new Set(config.map(({ id }) => id)),
    });
    if (decision.kind !== 'wait' && !(decision.kind === 'run' && machine.running))
      this.tell(`${name}: ${decision.kind}: ${decision.reason}`);
    if (decision.kind === 'run') {
      delete disk.promised;
      machine.running = true;
    }
    if (decision.kind === 'join') {
      delete disk.promised;
      disk.data = { id: decision.id, epoch: 0, log: [], committed: 0 };
      machine.running = true;
    }
    if (decision.kind === 'renew') {
      this.#renew(machine);
      machine.disk.generation = generation!;
    }
  }

  // —— the controller, on whichever machine has a session ——

  /** Somebody without data is entered at the arbiter, before the ensemble takes it in. */
  admit(controller: Machine, at: number): void {
    const ensemble = this.#ensembleFor(controller);
    if (!controller.alive || !ensemble || !controller.arbiter) return;
    const generation = treeOf(ensemble.leader.disk.data!);
    const config = configOf(ensemble.leader.disk.data!);
    const joiners = this.living.filter(
      ({ name, side, disk }) =>
        side === controller.side &&
        !disk.data &&
        disk.generation === generation &&
        !config.some(({ instance }) => instance === name),
    );
    const joiner = joiners[at % Math.max(1, joiners.length)];
    if (!joiner || generation === undefined) return;
    const own = { instance: controller.name, incarnation: controller.disk.incarnation, address: controller.name };
    const terminated = new Set(this.machines.filter(({ confirmed }) => confirmed).map(({ name }) => name));
    const asked = { cluster: CLUSTER, generation, controller: own, known: config.map(({ instance }) => instance) };
    const admission = admit(this.#record, joiner.name, asked, controller.discovery ? terminated : new Set());
    if ('refusal' in admission) return;
    this.#record = admission.record;
    this.#version++;
    this.#admitted = { by: controller, from: config, instance: joiner.name, incarnation: joiner.disk.incarnation };
  }

  /** A change of the configuration: any that ZooKeeper takes, whether it is wise or not. */
  reconfigure(
    controller: Machine,
    kind: 'add' | 'promote' | 'demote' | 'remove' | 'bury',
    at: number,
    half = false,
  ): void {
    const ensemble = this.#ensembleFor(controller);
    if (!controller.alive || !ensemble) return;
    const config = configOf(ensemble.leader.disk.data!);
    const changed = this.#changed(ensemble, config, kind, at, controller);
    if (!changed) return;
    if (this.#store(ensemble, { config: changed }, at, half)) this.tell(`${kind}: now ${describe(changed)}`);
    else this.tell(`${kind}: proposed, and lost on the way: ${describe(changed)}`);
    this.elect();
  }

  #changed(
    { leader, synced }: Ensemble,
    config: readonly Holder[],
    kind: string,
    at: number,
    controller: Machine,
  ): Holder[] | undefined {
    if (kind === 'add') {
      const admitted = this.#admitted;
      if (!admitted || admitted.by !== controller || admitted.from !== config) return undefined; // else BadVersion
      this.#admitted = undefined;
      const id = 1 + Math.max(...config.map((holder) => holder.id), this.#time); // never one that was used before
      return [...config, { id, instance: admitted.instance, incarnation: admitted.incarnation, role: 'observer' }];
    }
    const isSynced = ({ instance, incarnation }: Holder): boolean =>
      [...synced].some(({ name, disk }) => name === instance && disk.incarnation === incarnation);
    const fit = config.filter((holder) => {
      if (kind === 'promote') return holder.role === 'observer' && isSynced(holder);
      if (holder.instance === leader.name) return false;
      if (kind === 'bury') return this.#isGone(holder);
      return kind === 'remove' || holder.role === 'voter';
    });
    const chosen = fit[at % Math.max(1, fit.length)];
    if (!chosen) return undefined;
    if (kind === 'remove' || kind === 'bury') return config.filter((holder) => holder !== chosen);
    const role = kind === 'promote' ? 'voter' : 'observer';
    return config.map((holder) => (holder === chosen ? { ...holder, role } : holder));
  }

  #isGone({ instance, incarnation }: Holder): boolean {
    return this.machines.some(
      ({ name, confirmed, disk }) => name === instance && (confirmed || disk.incarnation !== incarnation),
    );
  }

  /** A client's write, where there is a tree to write to. @param half it reaches the leader, and nobody else */
  write(at: number, half = false): boolean {
    const ensemble = this.#ensembles[0];
    if (!ensemble || treeOf(ensemble.leader.disk.data!) === undefined) return false;
    const write = ++this.#writes;
    const done = this.#store(ensemble, { write }, at, half);
    if (done) this.#acknowledged.add(write);
    return done;
  }

  // —— members ——

  /** One more entry, on no more members than it must be. @returns whether it is acknowledged */
  #store(ensemble: Ensemble, what: Omit<Entry, 'at'>, at: number, half = false): boolean {
    const { leader, synced } = ensemble;
    const data = leader.disk.data!;
    const entry = { at: this.#zxid(), ...what };
    const configs = [configOf(data), ...(what.config ? [what.config] : [])];
    if (!configs.every((config) => this.#isMajority(config, synced))) return false;
    data.log = [...data.log, entry];
    if (half) {
      this.kill(leader);
      return false;
    }
    const written = new Set<Machine>([leader]);
    for (const machine of turned([...synced], at)) {
      if (configs.every((config) => this.#isMajority(config, written))) break;
      written.add(machine);
    }
    for (const machine of written) copyLog(leader, machine);
    data.committed = data.log.length;
    return true;
  }

  /** Followers come into sync, and new ones are taken on. */
  tick(): void {
    this.elect();
    for (const { leader, synced } of this.#ensembles)
      for (const machine of this.#reachable(leader)) {
        copyLog(leader, machine);
        synced.add(machine);
      }
  }

  /** Running members of the leader's own generation on its side that its configuration has. */
  #reachable(leader: Machine): Machine[] {
    const config = leader.disk.data!.log.findLast((entry) => entry.config)?.config ?? [];
    return this.#together(leader).filter(({ name, disk }) =>
      config.some(
        ({ instance, incarnation, id }) =>
          instance === name && incarnation === disk.incarnation && id === disk.data!.id,
      ),
    );
  }

  #together(leader: Machine): Machine[] {
    return this.machines.filter(
      ({ alive, running, disk, side }) =>
        alive && running && disk.data && side === leader.side && disk.generation === leader.disk.generation,
    );
  }

  elect(): void {
    this.#ensembles = this.#ensembles.filter((ensemble) => {
      const { leader, synced } = ensemble;
      const reachable = leader.alive && leader.running && leader.disk.data ? this.#reachable(leader) : [];
      for (const machine of synced) if (!reachable.includes(machine)) synced.delete(machine);
      return synced.has(leader) && this.#isMajority(configOf(leader.disk.data!), synced);
    });
    const led = new Set(this.#ensembles.flatMap(({ synced }) => [...synced]));
    const free = this.machines.filter((machine) => machine.alive && machine.running && machine.disk.data);
    for (const candidate of free.filter((machine) => !led.has(machine)).sort(byProgress)) {
      if (led.has(candidate)) continue;
      const supporters = this.#supporters(
        candidate,
        this.#together(candidate).filter((one) => !led.has(one)),
      );
      if (!supporters) continue;
      this.#lead(candidate, supporters);
      for (const machine of supporters) led.add(machine);
    }
    if (this.#ensembles.length > 1)
      this.fail(`split brain: ${this.#ensembles.map(({ leader }) => leader.name).join(' and ')} both lead`);
  }

  /** Just enough of these to make a candidate the leader, if they are. */
  #supporters(candidate: Machine, others: readonly Machine[]): Set<Machine> | undefined {
    const data = candidate.disk.data!;
    const isVoter = ({ instance, incarnation, role }: Holder): boolean =>
      role === 'voter' && instance === candidate.name && incarnation === candidate.disk.incarnation;
    if (!data.log.findLast(({ config }) => config)?.config?.some(isVoter)) return undefined;
    const configs = pendingConfigs(data, others);
    const willing = others.filter((other) => other === candidate || byProgress(candidate, other) <= 0);
    if (!configs.every((config) => this.#isMajority(config, new Set(willing)))) return undefined;
    const enough = new Set<Machine>([candidate]);
    for (const machine of turned(willing, this.#time)) {
      if (configs.every((config) => this.#isMajority(config, enough))) break;
      enough.add(machine);
    }
    return enough;
  }

  #lead(leader: Machine, supporters: Set<Machine>): void {
    const data = leader.disk.data!;
    const known = writesOf(data);
    for (const write of this.#acknowledged)
      if (!known.has(write)) this.fail(`${leader.name} leads without write ${write}, which was acknowledged`);
    data.epoch = ++this.#epoch;
    for (const machine of supporters) copyLog(leader, machine);
    data.committed = data.log.length;
    this.#ensembles.push({ leader, synced: supporters });
  }

  #isMajority(config: readonly Holder[], machines: ReadonlySet<Machine>): boolean {
    const voters = config.filter(({ role }) => role === 'voter');
    const there = voters.filter(({ instance, incarnation }) =>
      [...machines].some(({ name, disk }) => name === instance && disk.incarnation === incarnation),
    );
    return there.length > voters.length / 2;
  }

  #ensembleFor(machine: Machine): Ensemble | undefined {
    return this.#ensembles.find(({ leader }) => leader.side === machine.side);
  }

  // —— what must hold ——

  /** No majority of an older generation can form any more, whoever comes back: who has not promised might start. */
  check(): void {
    const generation = this.#record?.generation ?? 0;
    const free = this.machines.filter(
      ({ terminated, disk }) => !terminated && disk.data && !disk.promised && disk.generation < generation,
    );
    for (const candidate of free) {
      const others = free.filter(({ disk }) => disk.generation === candidate.disk.generation);
      if (this.#supporters(candidate, others))
        this.fail(
          `generation ${generation} is claimed, and ${candidate.name} may still lead generation ${candidate.disk.generation}`,
        );
    }
  }

  tell(line: string): void {
    this.story.push(line);
  }

  fail(what: string): never {
    throw new Error(`${what}\n  ${this.story.join('\n  ')}`);
  }

  #powerOff(machine: Machine): void {
    machine.alive = false;
    machine.running = false;
    machine.seen = undefined;
  }

  #emptyDisk(name: string): Disk {
    return { incarnation: `${name}/${++this.#made}`, generation: 0 };
  }

  /** A zxid: the epoch, then a count. */
  #zxid(): string {
    return (BigInt(this.#epoch) * 0x1_0000_0000n + BigInt(++this.#time)).toString(16).padStart(16, '0');
  }
}

const serversOf = (config: readonly Holder[]): PeerServer[] =>
  config.map(({ id, role, instance }) => ({ id, role, address: instance }));

/** In one order on one connection: who has an entry has heard what the leader knew to be committed when it was sent. */
function copyLog(from: Machine, to: Machine): void {
  const [source, target] = [from.disk.data!, to.disk.data!];
  target.log = source.log;
  target.epoch = source.epoch;
  target.committed = Math.max(source.committed, Math.min(target.committed, source.log.length));
}

function byProgress(a: Machine, b: Machine): number {
  const [one, other] = [a.disk.data!, b.disk.data!];
  if (one.epoch !== other.epoch) return other.epoch - one.epoch;
  const [mine, theirs] = [one.log.at(-1)?.at ?? '', other.log.at(-1)?.at ?? ''];
  return mine === theirs ? 0 : mine < theirs ? 1 : -1;
}

/** The configuration that the leader goes by. */
function configOf({ log }: Data): readonly Holder[] {
  return log.findLast(({ config }) => config)?.config ?? [];
}

/**
 * The last that is known to be committed, and every later one: a leader needs a majority of each. Who looks for a leader tells the others which
 * configuration it knows to hold.
 */
function pendingConfigs({ log, committed }: Data, others: readonly Machine[]): (readonly Holder[])[] {
  const known = new Set(
    others.map(({ disk }) => disk.data!.log.findLast(({ config }, at) => config && at < disk.data!.committed)?.at),
  );
  const last = log.findLastIndex(({ config, at }, index) => config && (index < committed || known.has(at)));
  return log.slice(Math.max(0, last)).flatMap(({ config }) => (config ? [config] : []));
}

const treeOf = ({ log }: Data): number | undefined => log.findLast(({ tree }) => tree)?.tree;
const writesOf = (data: Data | undefined): Set<number> =>
  new Set(data?.log.flatMap(({ write }) => (write ? [write] : [])));
const describe = (config: readonly Holder[]): string =>
  config.map(({ id, instance, role }) => `${instance} (${role} ${id})`).join(', ');

function turned<T>(all: readonly T[], by: number): T[] {
  return all.map((_, at) => all[(at + by) % all.length]!);
}
