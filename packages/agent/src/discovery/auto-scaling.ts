import type { FleetInstance, FleetSight } from '@quorate/model';
import type { Cloud, Ec2Instance, Group } from '../aws/index.ts';
import { isInstanceId } from '../aws/instance-id.ts';
import { AgentError } from '../errors.ts';
import type { Discovery, Peer, SharedSight } from './discovery.ts';

/** ms for which what was seen is not asked for again: what is terminated stays so, and who is new is heard of by itself */
const FRESH_MS = 10_000;
/** ms more for each instance, so that a fleet without an ensemble, where each asks for itself, asks some ten times a second in all */
const FRESH_EACH_MS = 100;
/** ms until it is asked again after a failure, doubled with each up to the most, made longer or shorter by half at random */
const AGAIN_MS = 2000;
const AGAIN_MOST_MS = 120_000;
/** ms for all requests of one look */
const LOOK_MS = 30_000;
/** ms for which EC2 must not have known an instance, at two looks or more: right after a launch one of its replicas may not know it yet */
const MISSING_MS = 60_000;

export interface AutoScalingOptions {
  /** the groups of the cluster; the one of `own` where absent */
  readonly groups?: readonly string[] | undefined;
  /** this machine's instance id, if it is an EC2 instance */
  readonly own: string | undefined;
  readonly cloud: () => Promise<Cloud>;
  /** ms of a monotonic clock */
  readonly now?: () => number;
}

/** What one look at AWS said. */
export interface CloudLook {
  readonly groups: readonly Group[];
  /** what EC2 knows of those that were asked for */
  readonly described: readonly Ec2Instance[];
}

/** One instance, as it was at the last look. */
export interface KnownInstance extends FleetInstance {
  /** since when EC2 does not know it */
  readonly missingSince?: number;
}

/**
 * The instances of auto-scaling groups. Terminated is who EC2 says is `terminated`, or whom it does not know any more: never one that is `shutting-down`,
 * whose server may still serve for minutes, nor one that is stopped, which can be started again.
 */
export class AutoScalingDiscovery implements Discovery, SharedSight {
  readonly place: string;
  readonly knowsDeath = true;
  readonly #options: AutoScalingOptions;
  /** undefined on a machine that is no EC2 instance */
  readonly #self: string | undefined;
  readonly #now: () => number;
  #known: ReadonlyMap<string, KnownInstance> = new Map();
  #groups: FleetSight['groups'] = [];
  #ownGroup: string | undefined;
  #freshUntil = -Infinity;
  #looking: { readonly ids: ReadonlySet<string>; readonly done: Promise<void> } | undefined;
  #failed: { readonly error: AgentError; readonly times: number; readonly until: number } | undefined;

  constructor(options: AutoScalingOptions) {
    const { groups } = options;
    this.place = groups
      ? `auto-scaling ${groups.length === 1 ? 'group' : 'groups'} ${groups.join(', ')}`
      : "this instance's auto-scaling group";
    this.#options = options;
    this.#self = options.own !== undefined && isInstanceId(options.own) ? options.own : undefined;
    this.#now = options.now ?? (() => performance.now());
  }

  get shared(): SharedSight {
    return this;
  }

  get last(): FleetSight | undefined {
    if (this.#groups.length === 0) return undefined;
    const instances = [...this.#known.values()].map(({ missingSince: _, ...instance }) => instance);
    return { groups: this.#groups, instances: instances.toSorted((a, b) => (a.instance < b.instance ? -1 : 1)) };
  }

  /** What is terminated stays so; the rest counts until this machine asks itself. */
  learn({ groups, instances }: FleetSight): void {
    this.#groups = groups;
    const mine = [...this.#known.values()].filter(({ state }) => state === 'terminated');
    this.#known = new Map([...mine, ...instances].map((one) => [one.instance, one]));
  }

  async peers(signal?: AbortSignal, about: readonly string[] = []): Promise<readonly Peer[]> {
    signal?.throwIfAborted();
    const ids = about.filter((name) => isInstanceId(name));
    if (this.#failed && this.#now() < this.#failed.until) throw this.#failed.error;
    if (this.#now() >= this.#freshUntil || ids.some((id) => !this.#known.has(id)))
      await orAborted(this.#look(ids), signal);
    return [...this.#known.values()].flatMap(({ instance, address, zone, state }) =>
      address || state === 'terminated'
        ? [{ instance, address: address ?? '', ...(zone ? { zone } : {}), ...(state ? { state } : {}) }]
        : [],
    );
  }

  /** One at a time: who comes meanwhile waits for the same, unless it asks for more. */
  async #look(ids: readonly string[]): Promise<void> {
    while (this.#looking) {
      const { ids: asked, done } = this.#looking;
      await done;
      if (ids.every((id) => asked.has(id))) return;
    }
    const done = this.#ask(ids).finally(() => {
      this.#looking = undefined;
    });
    this.#looking = { ids: new Set(ids), done };
    await done;
  }

  async #ask(about: readonly string[]): Promise<void> {
    try {
      const signal = AbortSignal.timeout(LOOK_MS);
      const cloud = await this.#options.cloud();
      const groups = await this.#groupsNow(cloud, signal);
      const listed = groups.flatMap(({ instances }) => instances.map(({ instance }) => instance));
      const own = this.#self;
      const before = [...this.#known.values()].filter(({ state }) => state !== 'terminated').map((one) => one.instance);
      const ids = [...new Set([...(own ? [own] : []), ...listed, ...about, ...before])].filter((id) =>
        isInstanceId(id),
      );
      const described = await cloud.instances(ids, signal);
      if (own && !described.some(({ instance }) => instance === own))
        throw new Error(
          `EC2 does not know this very instance, ${own}, in ${cloud.region}: check aws.region in the settings`,
        );
      this.#known = seenNow(
        this.#known,
        { groups, described },
        { about, isWhole: own !== undefined, now: this.#now() },
      );
      this.#groups = groups.map(({ name, desired }) => ({ name, desired }));
      this.#freshUntil = this.#now() + (FRESH_MS + FRESH_EACH_MS * this.#known.size) * (0.75 + Math.random() / 2);
      this.#failed = undefined;
    } catch (cause) {
      const times = (this.#failed?.times ?? 0) + 1;
      const pause = Math.min(AGAIN_MS * 2 ** (times - 1), AGAIN_MOST_MS) * (0.5 + Math.random());
      const text = `which instances there are cannot be told (${this.place}): ${(cause as Error).message}`;
      const error = new AgentError('DISCOVERY_UNKNOWN', text, { cause });
      this.#failed = { error, times, until: this.#now() + pause };
      throw error;
    }
  }

  async #groupsNow(cloud: Cloud, signal: AbortSignal): Promise<Group[]> {
    const { groups: named } = this.#options;
    const own = this.#self;
    if (!named && own) this.#ownGroup ??= (await cloud.belonging(own, signal))?.group;
    const names = named ?? (this.#ownGroup ? [this.#ownGroup] : []);
    if (names.length === 0)
      throw new Error(
        `${own ? `${own} belongs to no auto-scaling group` : 'this machine is no EC2 instance'}: name the groups in ensemble.discovery.autoScaling.groups`,
      );
    const found = await cloud.groups(names, signal);
    // of several, one that was deleted says nothing of the others
    if (found.length > 0) return found;
    this.#ownGroup = undefined; // it may have been attached to another one
    throw new Error(
      `in ${cloud.region} there is no auto-scaling group ${names.join(', ')}: check the names and aws.region`,
    );
  }
}

/**
 * What is known after a look. Pure.
 * @param asked.about who was asked for by name
 * @param asked.isWhole whether EC2 has shown that it knows this machine: only then it counts that it does not know another
 */
export function seenNow(
  before: ReadonlyMap<string, KnownInstance>,
  { groups, described }: CloudLook,
  { about, isWhole, now }: { readonly about: readonly string[]; readonly isWhole: boolean; readonly now: number },
): Map<string, KnownInstance> {
  const listed = new Map(groups.flatMap(({ instances }) => instances.map((one) => [one.instance, one])));
  const byId = new Map(described.map((one) => [one.instance, one]));
  const known = new Map<string, KnownInstance>();
  for (const instance of new Set([...listed.keys(), ...before.keys(), ...about])) {
    const was = before.get(instance);
    const found = byId.get(instance);
    const inGroup = listed.get(instance);
    // nobody needs the dead, but those who are asked for
    if (was?.state === 'terminated' && !about.includes(instance)) continue;
    const address = found?.address ?? was?.address;
    const zone = found?.zone ?? inGroup?.zone ?? was?.zone;
    const own = {
      instance,
      ...(address ? { address } : {}),
      ...(zone ? { zone } : {}),
      ...(inGroup ? { lifeCycle: inGroup.lifeCycle } : {}),
    };
    if (was?.state === 'terminated') known.set(instance, { ...own, state: 'terminated' });
    else if (found) known.set(instance, { ...own, ...stateOf(found) });
    else if (isWhole && !inGroup) {
      const missingSince = was?.missingSince ?? now;
      known.set(
        instance,
        now - missingSince >= MISSING_MS ? { ...own, state: 'terminated' } : { ...own, missingSince },
      );
    } else known.set(instance, own);
  }
  return known;
}

function stateOf({ state }: Ec2Instance): Pick<KnownInstance, 'state'> {
  if (state === 'terminated') return { state };
  return state === 'running' || state === 'pending' ? { state: 'live' } : {};
}

function orAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
