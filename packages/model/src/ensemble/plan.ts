import type { Candidate, EnsembleView, Invited, Member } from './view.ts';

/** One change: one member, one `reconfig`; an invitation needs none. */
export type EnsembleStep =
  /** a machine is given an id, and follows without being in the configuration: only so can a lone voter get a second one */
  | { readonly kind: 'invite'; readonly member: Invited }
  /** a machine joins: as an observer; as a voter only when it was invited and is in sync */
  | { readonly kind: 'add'; readonly member: Member }
  /** an observer becomes a voter */
  | { readonly kind: 'promote'; readonly id: number }
  /** a voter becomes an observer */
  | { readonly kind: 'demote'; readonly id: number }
  | { readonly kind: 'remove'; readonly id: number };

export interface EnsemblePlan {
  /** what to do now; it holds only for the configuration version `from` */
  readonly step?: EnsembleStep;
  readonly from: string;
  /** nothing is to be done, and nothing is waited for */
  readonly settled: boolean;
  /** why, for people */
  readonly reason: string;
}

/** Server ids are one byte in the high part of a session id. */
const HIGHEST_ID = 254;
/** With two zones one of them always holds a majority of an odd number. */
const ZONES_LEAST = 3;

interface Proposal {
  readonly step: EnsembleStep;
  readonly reason: string;
}

/**
 * The next step from what is to what should be, or why there is none. Pure: the same view gives the same plan, on whichever machine leads.
 *
 * - Voters are the largest odd number that the settings and the machines allow, no zone with a majority where three zones have machines. A machine counts when it votes already and is not known to
 *   be dead, or is in sync and could: so 1 becomes 3 when two are ready, and a silent voter keeps its place until it is known to be dead.
 * - No step leaves a majority that needs a member which is not in sync.
 * - A voter that was an observer does not count for the majority that its own promotion needs (ZooKeeper counts followers only): so a lone voter
 *   invites a machine to follow it, and makes that a voter when it is in sync.
 * - Nobody is demoted while a machine is on its way that makes it unnecessary; but those that end soon are where they would take the majority with them.
 */
export function planEnsemble(view: EnsembleView): EnsemblePlan {
  const plan = new Planner(view);
  if (!plan.isSafe(plan.voters))
    return plan.wait('a majority of the voters is not in sync: nothing can be changed now');
  let blocked: Proposal | undefined;
  for (const proposals of [
    plan.buryVoters(),
    plan.admit(),
    plan.promote(),
    plan.demote(),
    plan.clear(),
    plan.invite(),
    plan.add(),
  ]) {
    const safe = proposals.find(({ step }) => plan.isSafeStep(step));
    if (safe) return { step: safe.step, from: view.config.version, settled: false, reason: safe.reason };
    blocked ??= proposals[0];
  }
  return blocked ? plan.wait(`${blocked.reason}; but first another member has to come into sync`) : plan.rest();
}

class Planner {
  readonly voters: readonly Member[];
  readonly #view: EnsembleView;
  readonly #observers: readonly Member[];
  /** observers that can vote at once */
  readonly #ready: readonly Member[];
  readonly #invited: readonly Invited[];
  /** invited machines that can vote at once */
  readonly #admissible: readonly Invited[];
  readonly #target: number;
  /** the target when those on their way have arrived */
  readonly #hope: number;
  /** voters that one zone may have */
  readonly #perZone: number;

  constructor(view: EnsembleView) {
    this.#view = view;
    const { members } = view.config;
    this.voters = members.filter(({ role }) => role === 'voter');
    this.#observers = members.filter(({ role }) => role === 'observer');
    this.#ready = this.#observers.filter((member) => view.synced.has(member.id) && this.#stays(member));
    // two controllers at once may have given one machine two ids: it runs under one
    this.#invited = view.invited.filter(
      ({ instance }, at) =>
        !members.some((member) => member.instance === instance) &&
        view.invited.findIndex((one) => one.instance === instance) === at,
    );
    this.#admissible = this.#invited.filter(
      (machine) => view.synced.has(machine.id) && this.#stays(machine) && this.#isLive(machine),
    );
    const able = [...this.#keepers, ...this.#ready, ...this.#admissible];
    this.#target = mostVoters(view.settings.voters, able);
    this.#hope = mostVoters(view.settings.voters, [...able, ...this.#coming, ...this.#expected]);
    this.#perZone = perZone(this.#target, zonesOf(able).size);
  }

  /** Whether it leaves a majority in sync. What was an observer until then is no help to its own promotion. */
  isSafeStep(step: EnsembleStep): boolean {
    const after = this.votersAfter(step);
    if (step.kind !== 'promote') return this.isSafe(after);
    return this.voters.filter(({ id }) => this.#view.synced.has(id)).length > after.length / 2;
  }

  /** Whether the voters in sync are a majority of these. */
  isSafe(voters: readonly Member[]): boolean {
    const synced = voters.filter(({ id }) => this.#view.synced.has(id)).length;
    return synced > voters.length / 2;
  }

  votersAfter(step: EnsembleStep): Member[] {
    if (step.kind === 'invite') return [...this.voters];
    if (step.kind === 'add') return step.member.role === 'voter' ? [...this.voters, step.member] : [...this.voters];
    const others = this.voters.filter(({ id }) => id !== step.id);
    return step.kind === 'promote' ? [...others, this.#observers.find(({ id }) => id === step.id)!] : others;
  }

  /** Voters that are known to be dead go at once. */
  buryVoters(): Proposal[] {
    return this.voters
      .filter((member) => this.#isDead(member))
      .map((member) => ({
        step: { kind: 'remove', id: member.id },
        reason: `${name(member)} ${this.#death(member)}: it is taken out of the voters`,
      }));
  }

  /** Those invited that are in sync come in, as voters where one is missing. */
  admit(): Proposal[] {
    const [first] = this.#admissible;
    if (!first) return [];
    const missing = this.#keepers.length < this.#target && this.voters.length <= this.#target;
    const role = missing ? 'voter' : 'observer';
    const what = role === 'voter' ? `a voter, ${this.#keepers.length + 1} of ${this.#target}` : 'an observer';
    return [
      { step: { kind: 'add', member: { ...first, role } }, reason: `${name(first)} is in sync: it becomes ${what}` },
    ];
  }

  /** A lone voter's second one: a machine that is no member yet, or an observer that comes again as one. */
  invite(): Proposal[] {
    const enough = this.voters.length > 1 || this.#keepers.length >= this.#hope;
    if (enough || this.#arrivingInvited.length > 0) return [];
    const joiner = this.#joiner();
    const id = joiner && this.#freeId();
    if (joiner && id !== undefined) {
      const member = { id, instance: joiner.instance, incarnation: joiner.incarnation, zone: joiner.zone };
      return [
        {
          step: { kind: 'invite', member },
          reason: `${name(member)} is invited to follow, to become the second voter`,
        },
      ];
    }
    const [observer] = this.#keepers.length < this.#target ? this.#ready : [];
    if (!observer) return [];
    return [
      remove(observer, `${name(observer)} is taken out to come again as a voter: a lone voter can promote no observer`),
    ];
  }

  promote(): Proposal[] {
    const [keepers, target] = [this.#keepers.length, this.#target];
    // one machine's place is taken by another in two steps: the newcomer votes before the other stops
    if (this.voters.length > target) return [];
    const count = (zone: string): number => this.#keepers.filter((member) => member.zone === zone).length;
    const needed = keepers < target || this.#keepers.some(({ zone }) => count(zone) > this.#perZone);
    const free = this.#ready.filter(({ zone }) => count(zone) < this.#perZone);
    const [chosen] = needed ? free.toSorted((a, b) => count(a.zone) - count(b.zone) || a.id - b.id) : [];
    if (!chosen) return [];
    const reason =
      keepers < target
        ? `${name(chosen)} is in sync: it becomes a voter, ${keepers + 1} of ${target}`
        : `${name(chosen)} becomes a voter so that no zone has a majority`;
    return [{ step: { kind: 'promote', id: chosen.id }, reason }];
  }

  /** Best first: who leaves, who is not in sync, who stands where most are, the leader last. */
  demote(): Proposal[] {
    const { leaving, synced } = this.#view;
    const many = this.voters.length > this.#target && (this.voters.length > this.#hope || this.#majorityEnds);
    // one that leaves and is not in sync is no help to the majority: it need not wait for its successor
    const able = many
      ? this.voters
      : this.voters.filter(({ id, instance }) => leaving.has(instance) && !synced.has(id));
    const count = (zone: string): number => this.voters.filter((member) => member.zone === zone).length;
    const rank = (member: Member): number[] => [
      Number(!this.#view.leaving.has(member.instance)),
      Number(this.#view.synced.has(member.id)),
      -count(member.zone),
      Number(member.id === this.#view.leader),
      -member.id,
    ];
    return able
      .toSorted((a, b) => compare(rank(a), rank(b)))
      .map((member) => ({
        step: { kind: 'demote', id: member.id },
        reason: this.#view.leaving.has(member.instance)
          ? `${name(member)} leaves: it stops voting`
          : `${name(member)} stops voting: ${this.voters.length} voters for ${this.#target} that the machines allow`,
      }));
  }

  /** Observers that are dead, leave, or are too many. */
  clear(): Proposal[] {
    const { leaving, settings, config, synced } = this.#view;
    const dead = this.#observers.find((member) => this.#isDead(member));
    if (dead) return [remove(dead, `${name(dead)} ${this.#death(dead)}: it is taken out`)];
    const left = this.#observers.find(({ instance }) => leaving.has(instance));
    if (left) return [remove(left, `${name(left)} leaves: it is taken out`)];
    if (config.members.length <= settings.members) return [];
    const rank = ({ id }: Member): number[] => [Number(synced.has(id)), -id];
    const [spare] = this.#observers.toSorted((a, b) => compare(rank(a), rank(b)));
    return spare ? [remove(spare, `${name(spare)} is one more than the ${settings.members} members that are set`)] : [];
  }

  add(): Proposal[] {
    const joiner = this.#joiner();
    const id = joiner && this.#freeId();
    if (!joiner || id === undefined) return [];
    const member: Member = { ...joiner, id, role: 'observer' };
    return [{ step: { kind: 'add', member }, reason: `${name(member)} joins as an observer` }];
  }

  wait(reason: string): EnsemblePlan {
    return { from: this.#view.config.version, settled: false, reason };
  }

  /** No step is to be taken: either it is as it should be, or something is on its way. */
  rest(): EnsemblePlan {
    if (this.#joiner()) return this.wait('no server id is free: ids of members that are not known to be dead are kept');
    const [first] = this.#coming;
    if (first) return this.wait(`${first.instance} is on its way into sync`);
    const leaver = this.#view.config.members.find(({ instance }) => this.#view.leaving.has(instance));
    if (leaver) {
      const who = this.#view.expected ? 'another machine is expected' : 'nobody is there';
      return this.wait(`${name(leaver)} wants to leave, and ${who} to take its place`);
    }
    const count = this.voters.length;
    const silent = this.voters.find(({ id }) => !this.#view.synced.has(id));
    const but = silent ? `; ${name(silent)} is not in sync and not known to be dead` : '';
    const reason = `${count} ${count === 1 ? 'voter' : 'voters'}, ${this.#observers.length} observers${but}`;
    return { from: this.#view.config.version, settled: true, reason };
  }

  /** Voters that are to go on voting. */
  get #keepers(): Member[] {
    return this.voters.filter((member) => this.#stays(member));
  }

  /** Machines that will be able to vote if all goes well: observers not yet in sync, and those that will be added. */
  get #coming(): { readonly instance: string; readonly zone: string }[] {
    const { synced, late } = this.#view;
    const arriving = this.#observers.filter(
      (member) => !synced.has(member.id) && !late.has(member.id) && this.#stays(member) && this.#isLive(member),
    );
    const joiners = this.#freeId() === undefined ? [] : this.#joiners();
    return [...arriving, ...this.#arrivingInvited, ...joiners];
  }

  /** Machines that whoever makes them has still to make: nobody knows in which zones. */
  get #expected(): { readonly zone: string }[] {
    return Array.from({ length: this.#view.expected ?? 0 }, (_, at) => ({ zone: `expected ${at}` }));
  }

  /** Those invited that are not in sync yet, and still waited for. */
  get #arrivingInvited(): Invited[] {
    const { synced, late } = this.#view;
    return this.#invited.filter(
      (machine) => !synced.has(machine.id) && !late.has(machine.id) && this.#stays(machine) && this.#isLive(machine),
    );
  }

  /** Whether those that end soon would leave no majority in sync. */
  get #majorityEnds(): boolean {
    const { ending, synced } = this.#view;
    if (!ending || !this.voters.some(({ instance }) => ending.has(instance))) return false;
    const last = this.voters.filter(({ id, instance }) => synced.has(id) && !ending.has(instance));
    return last.length <= this.voters.length / 2;
  }

  #stays(member: Invited): boolean {
    return !this.#isDead(member) && !this.#view.leaving.has(member.instance);
  }

  #isLive(member: Invited): boolean {
    return this.#view.live.some((machine) => isHolder(machine, member));
  }

  /** An instance that shows itself with other data has lost what this member had; one that was told to leave and is not there has left. */
  #isDead(member: Invited): boolean {
    const there = this.#view.live.find(({ instance }) => instance === member.instance);
    if (there) return !isHolder(there, member);
    return this.#view.gone.has(member.instance) || this.#view.leaving.has(member.instance);
  }

  #death(member: Member): string {
    return this.#view.live.some(({ instance }) => instance === member.instance)
      ? 'has come back without its data'
      : 'is dead';
  }

  #joiner(): Candidate | undefined {
    return this.#joiners()[0];
  }

  /** Those that may come in, the next one first. */
  #joiners(): Candidate[] {
    const { live, leaving, config, settings } = this.#view;
    const taken: readonly Invited[] = [...config.members, ...this.#invited]; // each machine once
    if (taken.length >= settings.members) return [];
    const joiners = live.filter(
      (machine) => !leaving.has(machine.instance) && !taken.some(({ instance }) => instance === machine.instance),
    );
    const inZone = (zone: string): number => taken.filter((member) => member.zone === zone).length;
    const inOrder = joiners.toSorted((a, b) => inZone(a.zone) - inZone(b.zone) || (a.instance < b.instance ? -1 : 1));
    return inOrder.slice(0, settings.members - taken.length);
  }

  #freeId(): number | undefined {
    const used = new Set([...this.#view.config.members, ...this.#view.invited].map(({ id }) => id));
    for (let id = 1; id <= HIGHEST_ID; id++) if (!used.has(id) && !this.#view.reserved.has(id)) return id;
    return undefined;
  }
}

/** The largest odd number of voters up to `most` that these allow, no zone with a majority where there are three zones. */
function mostVoters(most: number, able: readonly { readonly zone: string }[]): number {
  const zones = zonesOf(able);
  for (let voters = most; voters > 1; voters -= 2) {
    const placed = [...zones.values()].reduce((sum, there) => sum + Math.min(there, perZone(voters, zones.size)), 0);
    if (placed >= voters) return voters;
  }
  return 1;
}

/** Less than a majority, where there are zones enough. */
function perZone(voters: number, zones: number): number {
  return zones < ZONES_LEAST ? voters : Math.max(1, Math.floor(voters / 2));
}

/** How many stand in each zone. */
function zonesOf(machines: readonly { readonly zone: string }[]): Map<string, number> {
  const zones = new Map<string, number>();
  for (const { zone } of machines) zones.set(zone, (zones.get(zone) ?? 0) + 1);
  return zones;
}

function isHolder(machine: Candidate, member: Invited): boolean {
  return machine.instance === member.instance && machine.incarnation === member.incarnation;
}

function name({ instance, id }: Invited): string {
  return `${instance} (server ${id})`;
}

function remove({ id }: Invited, reason: string): Proposal {
  return { step: { kind: 'remove', id }, reason };
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return a[at]! - b[at]!;
  return 0;
}
