import {
  type BundleStatus,
  draftRollout,
  type InstancePlace,
  isLetIn,
  isUnderWay,
  planRollout,
  type Rollout,
  type RolloutInstance,
  type RolloutPlan,
  type RolloutSettings,
  type RolloutView,
  RolloutWatch,
  releaseFor,
  type Steering,
  steered,
  told,
} from '../../src/index.ts';

export const OLD = 7;
export const NEW = 8;

/** What the new release does to an instance. */
export type Fate = 'good' | 'fails' | 'sickens' | 'hangs' | 'dies';

export const leader = (): Leader => ({
  watch: new RolloutWatch(),
  seen: undefined,
  healthy: new Set(),
  lostAt: Number.NEGATIVE_INFINITY,
});

interface Instance {
  readonly id: string;
  readonly zone: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly fate: Fate;
  alive: boolean;
  runs: number;
  /** what it shows the fleet */
  status: BundleStatus;
  /** seconds until it reports what has become of the release */
  busy: number;
  /** when it was healthy and then showed itself otherwise last */
  brokenAt: number;
}

interface Head {
  version: number;
  release: number;
  rollout: Rollout;
}

/** Whoever leads, or believes so: with a watch of its own, and what it saw last. */
export interface Leader {
  watch: RolloutWatch;
  seen: Seen | undefined;
  /** those that it saw healthy, and that it then saw no more: when it was that */
  readonly healthy: Set<string>;
  lostAt: number;
}

interface Seen {
  readonly version: number;
  readonly view: RolloutView;
  readonly at: number;
  /** when an instance that was seen good had shown itself otherwise last */
  readonly brokenAt: number;
}

const signature = (by: string) => ({ by, time: 'now' });
const shown = (applied: number, target: number, state: BundleStatus['state']): BundleStatus => ({
  applied,
  target,
  state,
  digest: '',
});

/** A fleet under a rollout, on one clock in seconds that nobody but the leaders' watches reads. */
export class World {
  readonly story: string[] = [];
  readonly head: Head;
  now = 0;
  readonly #instances: Instance[] = [];
  readonly #gone = new Set<string>();
  #openedAt = 0;
  #made = 0;
  #gate: 'open' | 'shut' | 'unknown' | undefined;

  constructor(settings: RolloutSettings, fleet: readonly { zone: string; fate: Fate; canary: boolean }[]) {
    for (const { zone, fate, canary } of fleet) this.#make(zone, fate, canary);
    const rollout = draftRollout({
      id: 'r',
      from: OLD,
      settings,
      instances: this.live,
      signature: signature('publisher'),
    });
    this.head = { version: 1, release: NEW, rollout };
    this.#gate = settings.gate && 'open';
    this.#checkShare(undefined, rollout, this.live);
  }

  get live(): Instance[] {
    return this.#instances.filter(({ alive }) => alive);
  }

  pick(at: number): Instance | undefined {
    return this.live[at % Math.max(1, this.live.length)];
  }

  join(zone: string, fate: Fate, canary: boolean): void {
    if (this.live.length < 14) this.#make(zone, fate, canary);
  }

  /** @param known whether those who made it say so */
  kill(instance: Instance | undefined, known: boolean): void {
    if (!instance) return;
    instance.alive = false;
    if (known) this.#gone.add(instance.id);
    this.#tell(`${instance.id} is ${known ? 'terminated' : 'silent'}`);
  }

  gate(state: 'open' | 'shut' | 'unknown'): void {
    if (this.#gate) this.#gate = state;
  }

  /** An instance looks at the head, and takes one step towards it. */
  look(instance: Instance | undefined): void {
    if (!instance) return;
    const target = releaseFor(this.head, instance);
    if (instance.status.target !== target) {
      this.#show(instance, shown(instance.runs, target, 'applying'));
      instance.busy = target === NEW && instance.fate === 'hangs' ? Number.POSITIVE_INFINITY : 2;
    } else if (instance.status.state === 'applying' && --instance.busy <= 0) this.#apply(instance, target);
    else if (target === NEW && instance.fate === 'sickens' && instance.runs === NEW && --instance.busy < -6) {
      this.#show(instance, { ...instance.status, health: 'unhealthy' });
    }
  }

  #apply(instance: Instance, target: number): void {
    if (target === NEW && !isLetIn(this.head.rollout, instance))
      this.fail(`${instance.id} runs what it was not let into`);
    const fate = target === NEW ? instance.fate : 'good';
    if (fate !== 'fails') instance.runs = target;
    if (fate === 'dies') this.kill(instance, false);
    else if (fate === 'fails') this.#show(instance, shown(OLD, NEW, 'rolled-back'));
    else this.#show(instance, shown(target, target, 'applied'));
  }

  see(leader: Leader): void {
    const { rollout, release, version } = this.head;
    const instances: RolloutInstance[] = this.live.map(({ id, zone, tags, status }) => ({ id, zone, tags, status }));
    const sight = leader.watch.look(this.now * 1000, this.head, instances, this.#gone);
    const gate = this.#gate && { state: this.#gate, detail: 'said' };
    const healthy = instances.filter(({ status }) => status.target === NEW && status.state === 'applied');
    for (const id of leader.healthy) {
      if (this.#gone.has(id) || instances.some((one) => one.id === id)) continue;
      leader.lostAt = this.now;
      leader.healthy.delete(id);
    }
    for (const { id } of healthy) leader.healthy.add(id);
    // of those that are gone nothing is said any more
    const broken = this.#instances.filter(({ id }) => !this.#gone.has(id)).map(({ brokenAt }) => brokenAt);
    const view = { release, rollout, instances, sight, gate };
    leader.seen = { version, view, at: this.now, brokenAt: Math.max(leader.lostAt, ...broken) };
  }

  /** A leader acts on what it saw: the change takes only if the head is still that one. */
  act(leader: Leader): RolloutPlan | undefined {
    const { seen } = leader;
    if (!seen) return undefined;
    const plan = planRollout(seen.view);
    if (plan.kind === 'wait' || seen.version !== this.head.version) return plan;
    if (plan.kind !== 'back') {
      this.#checkForward(seen);
      this.#checkShare(seen.view.rollout, plan.next, seen.view.instances);
    }
    this.#write(told(plan.next, plan.kind, plan.reason, signature('leader')));
    return plan;
  }

  steer(steering: Steering): void {
    const { rollout } = this.head;
    if (!isUnderWay(rollout) || (steering === 'pause') === (rollout.state === 'paused')) return;
    if (steering === 'resume' && rollout.state === 'running') return;
    this.#write(steered(rollout, steering, 'said', signature('somebody')));
  }

  #write(rollout: Rollout): void {
    const before = this.head.rollout;
    if (rollout.at < before.at || rollout.below < before.below) this.fail('somebody who was let in is put out again');
    const last = rollout.story.at(-1)!;
    this.#tell(`${this.now} s, ${last.what}: ${last.why}`);
    if (rollout.at !== before.at || rollout.below !== before.below) this.#openedAt = this.now;
    this.head.rollout = rollout;
    this.head.version++;
  }

  /** No more of those who were seen are let in than the step says. */
  #checkShare(before: Rollout | undefined, after: Rollout, fleet: readonly InstancePlace[]): void {
    const letIn = (rollout: Rollout) => fleet.filter((one) => isLetIn(rollout, one));
    const had = before ? letIn(before) : [];
    const has = letIn(after);
    const step = after.steps[after.at]!;
    if ('percent' in step) {
      const most = Math.max(had.length, Math.ceil((fleet.length * step.percent) / 100));
      if (has.length > most) this.fail(`${has.length} of ${fleet.length} are let in by ${step.percent} %`);
      return;
    }
    const added = has.filter((one) => !had.includes(one));
    const stray = added.find((one) => ('zone' in step ? one.zone !== step.zone : !one.tags?.canary));
    if (stray) this.fail(`${stray.id} is let in by ${JSON.stringify(step)}`);
  }

  /** Told by what instances showed, not by what the plan made of it. */
  #checkForward({ view: { instances, rollout, gate }, at, brokenAt }: Seen): void {
    const members = instances.filter((one) => isLetIn(rollout, one));
    if (members.length === 0) return; // nobody was left, and others are let in
    const bad = members.filter(
      ({ status: { state, health, target } }) => target === NEW && (state === 'rolled-back' || health),
    );
    const tolerated = typeof rollout.tolerate === 'number' ? rollout.tolerate : members.length;
    if (bad.length > tolerated) this.fail(`it goes on although ${bad.length} have failed`);
    if (rollout.state === 'paused') this.fail('it goes on although it is paused');
    if (gate && gate.state !== 'open') this.fail('it goes on although the gate does not let it');
    if (at - this.#openedAt < rollout.bake) this.fail('it goes on before the step has baked');
    if (at - brokenAt < rollout.bake) this.fail('it goes on although one was not healthy meanwhile');
    const missing = members.filter(({ status }) => !(status.applied === NEW && status.state === 'applied')).length;
    if (missing > tolerated) this.fail(`it goes on although ${missing} do not run the release`);
  }

  #show(instance: Instance, status: BundleStatus): void {
    this.#broke(instance);
    instance.status = status;
    this.#tell(`${instance.id} ${status.state} ${status.target}${status.health ? ` ${status.health}` : ''}`);
  }

  #broke(instance: Instance): void {
    const { status } = instance;
    if (status.applied === NEW && status.state === 'applied' && !status.health && status.target === NEW)
      instance.brokenAt = this.now;
  }

  #make(zone: string, fate: Fate, canary: boolean): void {
    const id = `web-${++this.#made}`;
    const tags: Record<string, string> = canary ? { canary: 'yes' } : {};
    const status = shown(OLD, OLD, 'applied');
    const brokenAt = Number.NEGATIVE_INFINITY;
    this.#instances.push({ id, zone, tags, fate, alive: true, runs: OLD, status, busy: 0, brokenAt });
  }

  fail(what: string): never {
    throw new Error(`${what}\n  ${this.story.join('\n  ')}`);
  }

  #tell(line: string): void {
    this.story.push(line);
  }
}
