import type { EnsemblePlan, EnsembleSettings, EnsembleStep, EnsembleView, Invited, Member } from '../../src/index.ts';

/** ms do not exist here: how many ticks a joiner may take until nobody waits for it any more. */
const LATE_TICKS = 6;

interface Machine {
  readonly instance: string;
  readonly zone: string;
  incarnation: string;
  alive: boolean;
  /** cut off from everybody */
  isolated: boolean;
  /** ticks until it is in sync, once it could be */
  slow: number;
}

/** What a member's data directory holds: how much of the one history. */
interface Server {
  log: number;
  synced: boolean;
  waited: number;
}

/**
 * A small ensemble that obeys ZooKeeper's rules of reconfiguration: a change is conditional on the version that was seen; it needs a leader,
 * and a majority of the new voters in sync with it, else NewConfigNoQuorum, where an observer does not count, but a follower without a vote
 * does; it counts as done when majorities of the old and of the new
 * voters have it. Writes, too, lie on no more servers than they must: what a majority has is all that may be relied upon.
 */
export class World {
  readonly story: string[] = [];
  readonly settings: EnsembleSettings;
  readonly #machines = new Map<string, Machine>();
  readonly #servers = new Map<number, Server>();
  readonly #holders = new Map<number, { instance: string; incarnation: string }>();
  readonly #gone = new Set<string>();
  readonly #leaving = new Set<string>();
  /** of those: they end soon, whatever waits for them */
  readonly #ending = new Set<string>();
  readonly #zonesDown = new Set<string>();
  #members: Member[];
  #invited: Invited[] = [];
  #version = 1;
  #acknowledged = 0;
  #leader: number | undefined;
  #made = 0;

  constructor(settings: EnsembleSettings, zone: string) {
    this.settings = settings;
    const machine = this.#make(zone);
    this.#members = [];
    this.#enter({ id: 1, instance: machine.instance, incarnation: machine.incarnation, zone, role: 'voter' });
    this.#server(1).synced = true;
    this.#elect();
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  get invited(): readonly Invited[] {
    return this.#invited;
  }

  get voters(): Member[] {
    return this.#members.filter(({ role }) => role === 'voter');
  }

  get leader(): number | undefined {
    return this.#leader;
  }

  /** Machines that are there to stay. */
  get fleet(): Machine[] {
    return [...this.#machines.values()].filter(({ alive, instance }) => alive && !this.#leaving.has(instance));
  }

  pick(at: number): Machine {
    const all = [...this.#machines.values()];
    return all[at % all.length]!;
  }

  join(zone: string, slow: number): void {
    const machine = this.#make(zone);
    machine.slow = slow;
    this.#tell(`${machine.instance} joins in zone ${zone}${slow > 0 ? `, slow by ${slow}` : ''}`);
  }

  /** Power off. Not where it would take the last majority for good: that is another story. */
  kill(machine: Machine): void {
    const able = this.voters.filter((voter) => {
      const holder = this.#machines.get(voter.instance);
      return holder?.alive && holder.incarnation === voter.incarnation;
    });
    const left = able.filter(({ instance }) => instance !== machine.instance);
    const holds = left.length < able.length;
    if (!machine.alive || (holds && left.length <= this.voters.length / 2)) return;
    machine.alive = false;
    this.#tell(`${machine.instance} dies`);
    this.#elect();
  }

  confirm(machine: Machine): void {
    if (machine.alive || this.#gone.has(machine.instance)) return;
    this.#gone.add(machine.instance);
    this.#tell(`the cloud says that ${machine.instance} is dead`);
  }

  restart(machine: Machine): void {
    if (machine.alive || this.#gone.has(machine.instance)) return;
    machine.alive = true;
    this.#tell(`${machine.instance} is back with its data`);
    this.#elect();
  }

  /** It comes back with an empty disk: another holder. Where its data was needed for a majority, that is another story. */
  wipe(machine: Machine): void {
    this.kill(machine);
    if (machine.alive || this.#gone.has(machine.instance)) return;
    machine.alive = true;
    machine.incarnation = `${machine.instance}/${++this.#made}`;
    this.#tell(`${machine.instance} is back without its data`);
    this.#elect();
  }

  leave(machine: Machine, ends = false): void {
    if (!machine.alive || this.#leaving.has(machine.instance)) return;
    this.#leaving.add(machine.instance);
    if (ends) this.#ending.add(machine.instance);
    this.#tell(`${machine.instance} asks to leave${ends ? ', and ends soon' : ''}`);
  }

  /** Those that left in order are switched off. */
  farewell(): void {
    for (const instance of this.#leaving) {
      const machine = this.#machines.get(instance)!;
      if (this.#members.some((member) => member.instance === instance) || this.#gone.has(instance)) continue;
      machine.alive = false;
      this.#gone.add(instance);
      this.#tell(`${instance} has left`);
    }
  }

  isolate(machine: Machine, isolated: boolean): void {
    if (machine.isolated === isolated) return;
    machine.isolated = isolated;
    this.#tell(`${machine.instance} ${isolated ? 'reaches nobody' : 'is reached again'}`);
    this.#elect();
  }

  zone(zone: string, down: boolean): void {
    if (this.#zonesDown.has(zone) === down) return;
    if (down) this.#zonesDown.add(zone);
    else this.#zonesDown.delete(zone);
    this.#tell(`zone ${zone} is ${down ? 'cut off' : 'back'}`);
    this.#elect();
  }

  heal(): void {
    for (const machine of this.#machines.values()) {
      this.isolate(machine, false);
      machine.slow = 0;
      this.confirm(machine);
    }
    for (const zone of [...this.#zonesDown]) this.zone(zone, false);
  }

  tick(): void {
    this.#elect();
    if (this.#leader === undefined) return;
    for (const { id } of [...this.#members, ...this.#invited]) {
      const server = this.#server(id);
      if (!this.#reachesLeader(id)) server.synced = false;
      else if (!server.synced && ++server.waited > (this.#machineOf(id)?.slow ?? 0)) server.synced = true;
      if (server.synced) server.log = this.#server(this.#leader).log;
    }
  }

  /** A client's write, stored on no more voters than it must be. */
  write(at: number): void {
    if (this.#leader === undefined) return;
    if (this.#store([this.voters], at)) this.#acknowledged = this.#server(this.#leader).log;
  }

  view(): EnsembleView | undefined {
    if (this.#leader === undefined) return undefined;
    const servers = [...this.#members, ...this.#invited];
    const synced = servers.filter(({ id }) => this.#server(id).synced && this.#reachesLeader(id));
    const late = servers.filter(({ id }) => !this.#server(id).synced && this.#server(id).waited > LATE_TICKS);
    const reserved = [...this.#holders].filter(([id, holder]) => !this.#inConfig(id) && !this.#knownDead(holder));
    return {
      config: { version: String(this.#version), members: [...this.#members] },
      synced: new Set(synced.map(({ id }) => id)),
      leader: this.#leader,
      live: [...this.#machines.values()]
        .filter((machine) => machine.alive && this.#isReached(machine))
        .map(({ instance, incarnation, zone }) => ({ instance, incarnation, zone })),
      invited: this.#invited.filter((machine) => this.#isUp(machine)),
      gone: new Set(this.#gone),
      leaving: new Set(this.#leaving),
      ending: new Set(this.#ending),
      late: new Set(late.map(({ id }) => id)),
      reserved: new Set(reserved.map(([id]) => id)),
      settings: this.settings,
    };
  }

  /** What ZooKeeper says to a `reconfig` that was planned from what was `seen`. @returns the refusal, or undefined when it was done */
  reconfigure({ step, from, reason }: EnsemblePlan, seen: EnsembleView, at: number): string | undefined {
    if (!step) return 'nothing to do';
    if (this.#leader === undefined) return 'no leader';
    if (from !== String(this.#version)) return 'BadVersion';
    this.#checkStep(step, seen);
    if ((step.kind === 'add' || step.kind === 'invite') && this.#isTaken(step.member)) return 'NodeExists';
    if (step.kind === 'invite') {
      this.#invite(step.member);
      this.#tell(reason);
      return undefined;
    }
    const [before, after] = [this.voters, votersOf(changed(this.#members, step))];
    const observers = new Set(this.#members.filter(({ role }) => role === 'observer').map(({ id }) => id));
    if (!isMajority(after, ({ id }) => this.#isSynced(id) && !observers.has(id))) return 'NewConfigNoQuorum';
    if (!this.#store([before, after], at)) return 'no majority';
    this.#acknowledged = this.#server(this.#leader).log;
    this.#tell(`v${this.#version + 1}: ${reason}`);
    const removed = step.kind === 'remove' ? this.#members.find(({ id }) => id === step.id) : undefined;
    if (step.kind === 'add') {
      const runs = this.#runsAs(step.member);
      this.#enter(step.member);
      // it runs under another id already, and finds that it has two
      if (runs !== undefined && runs !== step.member.id) this.#renew(step.member);
    } else this.#members = changed(this.#members, step);
    if (removed) this.#renew(removed);
    this.#version++;
    this.#elect();
    return undefined;
  }

  #checkStep(step: EnsembleStep, seen: EnsembleView): void {
    if (step.kind === 'add' || step.kind === 'invite') {
      const invited = this.#invited.some(({ id }) => id === step.member.id);
      if (step.kind === 'add' && step.member.role === 'voter' && !(invited && seen.synced.has(step.member.id)))
        this.fail('a joiner votes that was not seen in sync');
      if (invited && step.kind === 'add') return;
      if (step.member.id < 1 || step.member.id > 254 || seen.reserved.has(step.member.id))
        this.fail(`server id ${step.member.id} is not free`);
      return;
    }
    const member = this.#members.find(({ id }) => id === step.id)!;
    const again = member.role === 'observer' && this.voters.length === 1;
    const mayGo = this.#knownDead(member) || this.#leaving.has(member.instance) || again;
    if (step.kind === 'remove' && !mayGo && this.#members.length <= this.settings.members)
      this.fail(`server ${step.id} is taken out although it is not known to be dead`);
    if (step.kind === 'promote' && !seen.synced.has(step.id)) this.fail(`server ${step.id} votes before it is in sync`);
  }

  fail(what: string): never {
    throw new Error(`${what}\n  ${this.story.join('\n  ')}`);
  }

  #tell(line: string): void {
    this.story.push(line);
  }

  #make(zone: string): Machine {
    const instance = `web-${++this.#made}`;
    const machine = { instance, zone, incarnation: `${instance}/1`, alive: true, isolated: false, slow: 0 };
    this.#machines.set(instance, machine);
    return machine;
  }

  #enter(member: Member): void {
    this.#members = [...this.#members, member];
    const invited = this.#invited.some(({ id }) => id === member.id);
    this.#invited = this.#invited.filter(({ id }) => id !== member.id);
    if (!invited) this.#begin(member);
  }

  #invite(machine: Invited): void {
    this.#invited = [...this.#invited.filter(({ id }) => id !== machine.id), machine];
    this.#begin(machine);
  }

  #begin(holder: Invited): void {
    this.#holders.set(holder.id, holder);
    this.#servers.set(holder.id, { log: 0, synced: false, waited: 0 });
  }

  /** What was taken out comes again, if it lives, as an empty holder. */
  #renew({ instance, incarnation }: Invited): void {
    const machine = this.#machines.get(instance)!;
    if (machine.alive && machine.incarnation === incarnation) machine.incarnation = `${instance}/${++this.#made}`;
  }

  /** One more entry of the history, on the leader and, in each set, on just enough of those in sync. */
  #store(sets: readonly (readonly Member[])[], at: number): boolean {
    const leader = this.#server(this.#leader!);
    const written = new Set<number>();
    for (const voters of sets) {
      const able = voters.filter(({ id }) => this.#isSynced(id));
      if (able.length <= voters.length / 2) return false;
      const turned = able.map((_, step) => able[(step + at) % able.length]!);
      const others = turned.filter(({ id }) => id !== this.#leader);
      const own = able.some(({ id }) => id === this.#leader) ? 1 : 0;
      for (const { id } of others.slice(0, Math.floor(voters.length / 2) + 1 - own)) written.add(id);
    }
    leader.log++;
    for (const id of written) this.#server(id).log = leader.log;
    return true;
  }

  /** The most advanced of a majority that reach each other leads. Everything that was acknowledged has to be there. */
  #elect(): void {
    const { voters } = this;
    const able = voters.filter((member) => this.#isUp(member));
    const standing = this.#leader !== undefined && able.some(({ id }) => id === this.#leader);
    if (able.length <= voters.length / 2) {
      this.#leader = undefined;
      for (const { id } of [...this.#members, ...this.#invited]) this.#server(id).synced = false;
      return;
    }
    if (standing) return;
    const best = able.toSorted((a, b) => this.#server(b.id).log - this.#server(a.id).log || b.id - a.id)[0]!;
    if (this.#server(best.id).log < this.#acknowledged)
      this.fail(`server ${best.id} leads without what was acknowledged`);
    this.#leader = best.id;
    for (const { id } of [...this.#members, ...this.#invited]) {
      const server = this.#server(id);
      server.waited = 0;
      // voters of the new majority follow at once, the others have to come into sync
      server.synced = able.some((member) => member.id === id);
      if (server.synced) server.log = this.#server(best.id).log;
    }
  }

  #isUp(member: Invited): boolean {
    const machine = this.#machines.get(member.instance);
    return (
      machine !== undefined && machine.incarnation === member.incarnation && machine.alive && this.#isReached(machine)
    );
  }

  #isReached(machine: Machine): boolean {
    return !machine.isolated && !this.#zonesDown.has(machine.zone);
  }

  #reachesLeader(id: number): boolean {
    const member = this.#holder(id);
    return member !== undefined && this.#isUp(member) && this.#runsAs(member) === id;
  }

  #isSynced(id: number): boolean {
    return this.#server(id).synced && this.#reachesLeader(id);
  }

  #machineOf(id: number): Machine | undefined {
    const member = this.#holder(id);
    return member && this.#machines.get(member.instance);
  }

  #holder(id: number): Invited | undefined {
    return [...this.#members, ...this.#invited].find((member) => member.id === id);
  }

  /** The id that a machine took: the first that it was given. */
  #runsAs({ instance, incarnation }: Invited): number | undefined {
    const given = [...this.#servers.keys()].map((id) => this.#holder(id));
    return given.find((holder) => holder?.instance === instance && holder.incarnation === incarnation)?.id;
  }

  #server(id: number): Server {
    return this.#servers.get(id)!;
  }

  #inConfig(id: number): boolean {
    return this.#members.some((member) => member.id === id);
  }

  /** Whether somebody else was given the id, who may still use it. */
  #isTaken({ id, incarnation }: Invited): boolean {
    const holder = this.#holders.get(id);
    return holder !== undefined && holder.incarnation !== incarnation && !this.#knownDead(holder);
  }

  #knownDead({ instance, incarnation }: { instance: string; incarnation: string }): boolean {
    return this.#gone.has(instance) || this.#machines.get(instance)?.incarnation !== incarnation;
  }
}

function votersOf(members: readonly Member[]): Member[] {
  return members.filter(({ role }) => role === 'voter');
}

function changed(members: readonly Member[], step: Exclude<EnsembleStep, { kind: 'invite' }>): Member[] {
  if (step.kind === 'add') return [...members, step.member];
  if (step.kind === 'remove') return members.filter(({ id }) => id !== step.id);
  const role = step.kind === 'promote' ? 'voter' : 'observer';
  return members.map((member) => (member.id === step.id ? { ...member, role } : member));
}

function isMajority(voters: readonly Member[], holds: (member: Member) => boolean): boolean {
  return voters.filter(holds).length > voters.length / 2;
}
