import { setTimeout as delay } from 'node:timers/promises';
import { type LifeCycleHook, type LifeCyclePlan, type LifeCycleView, planLifeCycle } from '@quorate/model';
import type { Store } from '@quorate/store';
import { archiveState } from '../archive/index.ts';
import type { LifeCycleSettings } from '../settings/index.ts';
import type { Belonging, Cloud } from './cloud.ts';
import type { InstanceMetadata } from './imds.ts';

/** ms between looks at the metadata: AWS advises 5 s for spot notices */
const LOOK_MS = 5000;
/** ms between heartbeats, below half of the two minutes that hooks should wait at least */
const HEARTBEAT_MS = 45_000;
/** ms until a hook that waited for nothing is asked again, while the instance is still on its way there */
const AGAIN_MS = 5000;
/** ms until what AWS refused is asked again, doubled with each refusal up to the most */
const REFUSED_MS = 5000;
const REFUSED_MOST_MS = 120_000;
/** ms for the ensemble's answer, and for one of AWS */
const ASK_MS = 5000;
const CALL_MS = 20_000;

/** How this machine's configuration stands, and its place in the ensemble: what its agent knows. */
export interface OwnState {
  readonly configuration: LifeCycleView['configuration'];
  readonly failure?: string;
  readonly place: LifeCycleView['place'];
  readonly isVoter: boolean;
  /** as soon as it has been reached once */
  readonly store: Store | undefined;
}

export interface LifeCycleOptions {
  readonly instance: string;
  readonly settings: LifeCycleSettings;
  readonly metadata: InstanceMetadata;
  readonly cloud: () => Promise<Cloud>;
  readonly own: () => Promise<OwnState>;
  /** whether the store is an ensemble of the fleet's own machines, which is not founded at first */
  readonly isOwnEnsemble: boolean;
  /** whether this agent has looked at every bundle that the store has a release of for this machine */
  readonly hasHeard: (store: Store, signal: AbortSignal) => Promise<boolean>;
  readonly log: (line: string) => void;
  /** told when what is to be shown of it has changed */
  readonly changed?: () => void;
  /** ms between looks */
  readonly lookMs?: number;
}

/** What is shown of it on this machine. */
export interface LifeCycleReport {
  readonly target?: string;
  readonly role: LifeCyclePlan['role'];
  /** why, with notices of EC2 */
  readonly detail: string;
}

/** Follows what the group does with this instance, and takes part in it as `planLifeCycle` says. */
export class LifeCycle {
  readonly #options: LifeCycleOptions;
  #target: string | undefined;
  #interrupted = false;
  #rebalanced = false;
  #plan: LifeCyclePlan = { role: 'full', hooks: [], reason: 'it has not been looked at yet' };
  #said = '';
  /** hooks that are done for a target: `Terminated terminating` */
  readonly #done = new Set<string>();
  /** what was told a hook last, and when it is to be told again. ms */
  #told = new Map<LifeCycleHook, { readonly act: string; readonly again: number }>();
  #endingSince: number | undefined;
  #failedSince: number | undefined;
  #protected: boolean | undefined;
  #refused = { times: 0, until: 0, message: '' };
  #belonging: Belonging | undefined;

  constructor(options: LifeCycleOptions) {
    this.#options = options;
  }

  /** Whether this machine is to have no place in the ensemble now. */
  get isWithdrawn(): boolean {
    return this.#plan.role !== 'full';
  }

  /** Whether EC2 ends this spot instance within two minutes: no hook holds that up. */
  get isTakenBack(): boolean {
    return this.#interrupted;
  }

  get report(): LifeCycleReport {
    const notice = this.#rebalanced
      ? '; EC2 recommends to rebalance: this spot instance is likely to be taken back'
      : '';
    const target = this.#target === undefined ? {} : { target: this.#target };
    return { ...target, role: this.#plan.role, detail: `${this.#plan.reason}${notice}` };
  }

  /** Asks the metadata and decides, without a word to AWS. */
  async decide(signal: AbortSignal): Promise<void> {
    await this.#ask(signal);
    const own = await this.#options.own();
    const now = performance.now();
    const ending = this.#interrupted || /^(Warmed:)?Terminated$/.test(this.#target ?? '');
    this.#endingSince = ending ? (this.#endingSince ?? now) : undefined;
    this.#failedSince = own.configuration === 'failed' ? (this.#failedSince ?? now) : undefined;
    const leaves = own.place === 'member' && (ending || this.#target?.startsWith('Warmed:'));
    const others = leaves ? await othersIn(own.store, this.#options.instance, signal) : 0;
    const pending = (['launching', 'terminating'] as const).filter((hook) => !this.#done.has(this.#key(hook)));
    const isLaunching = !ending && this.#target !== undefined && pending.includes('launching');
    const archive = leaves && others === 0 ? await archiveOf(own.store, signal) : undefined;
    const { configuration, failure } = isLaunching ? await this.#configuration(own.store, signal) : own;
    const seconds = (since: number | undefined): number => (since === undefined ? 0 : (now - since) / 1000);
    this.#plan = planLifeCycle({
      target: this.#target,
      interrupted: this.#interrupted,
      pending,
      configuration,
      ...(failure ? { failure } : {}),
      failedFor: seconds(this.#failedSince),
      onFailure: this.#options.settings.onFailure,
      place: own.place,
      others,
      isWanted: leaves && others === 0 ? await this.#isWanted(signal) : true,
      archived: archive === undefined ? undefined : archive === 'level',
      endingFor: seconds(this.#endingSince),
    });
    this.#say();
  }

  /** What there is for this machine is known when its ensemble is founded, what only the archive has is back, and the agent has heard of all of it. */
  async #configuration(
    store: Store | undefined,
    signal: AbortSignal,
  ): Promise<Pick<OwnState, 'configuration' | 'failure'>> {
    const { isOwnEnsemble, hasHeard, own } = this.#options;
    if (store) {
      try {
        const asked = within(signal, ASK_MS);
        if (isOwnEnsemble && !(await store.ensemble?.cluster({ signal: asked }))) return { configuration: 'unknown' };
        if ((await archiveOf(store, signal)) === 'closed') return { configuration: 'unknown' };
        if (!(await hasHeard(store, asked))) return { configuration: 'unknown' };
      } catch {
        signal.throwIfAborted();
        return { configuration: 'unknown' }; // no majority, no way, or no time
      }
    }
    return own(); // after all that: what it says is of now
  }

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.decide(signal);
        await this.#act(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#refuse(error as Error);
      }
      await delay(this.#options.lookMs ?? LOOK_MS, undefined, { signal }).catch(() => undefined); // ended by the signal: the loop sees it
    }
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const { metadata, log } = this.#options;
    try {
      const target = await metadata.get('autoscaling/target-lifecycle-state', signal);
      if (target !== this.#target) this.#told.clear(); // another target, another hook
      if (target !== this.#target) this.#done.clear();
      this.#target = target;
      this.#interrupted = (await metadata.get('spot/instance-action', signal)) !== undefined;
      const rebalanced = (await metadata.get('events/recommendations/rebalance', signal)) !== undefined;
      if (rebalanced && !this.#rebalanced)
        log('warn  life cycle: EC2 recommends to rebalance: this spot instance is likely to be taken back');
      this.#rebalanced = rebalanced;
    } catch (error) {
      signal.throwIfAborted();
      this.#complain((error as Error).message); // what was known last goes on counting
    }
  }

  async #isWanted(signal: AbortSignal): Promise<boolean> {
    try {
      const cloud = await this.#options.cloud();
      const { group } = (await this.#where(cloud, signal)) ?? {};
      const [found] = group ? await cloud.groups([group], within(signal, CALL_MS)) : [];
      return found === undefined || found.desired > 0;
    } catch (error) {
      signal.throwIfAborted();
      this.#complain((error as Error).message);
      return true; // as long as nobody says otherwise
    }
  }

  /** Its group hardly changes: asked once, and again when a hook waits for nothing. */
  async #where(cloud: Cloud, signal: AbortSignal): Promise<Belonging | undefined> {
    this.#belonging ??= await cloud.belonging(this.#options.instance, within(signal, CALL_MS));
    return this.#belonging;
  }

  async #act(signal: AbortSignal): Promise<void> {
    if (performance.now() < this.#refused.until) return;
    for (const { hook, act } of this.#plan.hooks) await this.#tellHook(hook, act, signal);
    await this.#protect(signal);
    this.#refused = { times: 0, until: 0, message: '' };
  }

  async #tellHook(hook: LifeCycleHook, act: 'heartbeat' | 'continue' | 'abandon', signal: AbortSignal): Promise<void> {
    const told = this.#told.get(hook);
    if (told?.act === act && performance.now() < told.again) return;
    const { instance, settings, log } = this.#options;
    const cloud = await this.#options.cloud();
    const where = await this.#where(cloud, signal);
    if (!where) return void this.#done.add(this.#key(hook)); // it is in no group any more
    const call = { group: where.group, instance, name: settings[hook] };
    const waits = await cloud.answer(call, act, within(signal, CALL_MS));
    if (waits) {
      if (act !== 'heartbeat') log(`info  life cycle: ${settings[hook]}: ${act}: ${this.#plan.reason}`);
      if (act !== 'heartbeat') this.#done.add(this.#key(hook));
      this.#told.set(hook, { act, again: performance.now() + HEARTBEAT_MS });
      return;
    }
    this.#belonging = undefined;
    const now = await this.#where(cloud, signal);
    // on its way to the hook: it is asked again; past it, or without one: nothing is to be told
    if (now && COMING[hook].test(now.lifeCycle)) this.#told.set(hook, { act, again: performance.now() + AGAIN_MS });
    else this.#done.add(this.#key(hook));
  }

  async #protect(signal: AbortSignal): Promise<void> {
    const { settings, instance, own, log } = this.#options;
    if (settings.protect !== 'voters' || this.#target !== 'InService') return;
    const on = (await own()).isVoter && !this.isWithdrawn;
    if (on === this.#protected || (!on && this.#protected === undefined)) return;
    const cloud = await this.#options.cloud();
    const where = await this.#where(cloud, signal);
    // before it is in service the group knows no protection
    if (where && where.lifeCycle !== 'InService') this.#belonging = undefined;
    if (where?.lifeCycle !== 'InService') return;
    await cloud.protect({ group: where.group, instance }, on, within(signal, CALL_MS));
    log(
      `info  life cycle: ${on ? 'a voter: protected from scale-in' : 'no voter any more: not protected from scale-in'}`,
    );
    this.#protected = on;
  }

  #key(hook: LifeCycleHook): string {
    return `${this.#target} ${hook}`;
  }

  #say(): void {
    const { report } = this;
    const text = JSON.stringify(report);
    if (text === this.#said) return;
    this.#said = text;
    if (report.target !== undefined || report.role !== 'full')
      this.#options.log(`info  life cycle: ${report.target ?? 'no group'}: ${report.detail}`);
    this.#options.changed?.();
  }

  #refuse(error: Error): void {
    this.#complain(error.message);
    const times = this.#refused.times + 1;
    const pause = Math.min(REFUSED_MS * 2 ** (times - 1), REFUSED_MOST_MS) * (0.5 + Math.random());
    this.#refused = { ...this.#refused, times, until: performance.now() + pause };
  }

  /** A line for the log, once as long as nothing else is wrong. */
  #complain(message: string): void {
    if (message !== this.#refused.message) this.#options.log(`warn  life cycle: ${message}`);
    this.#refused = { ...this.#refused, message };
  }
}

/** States of an instance that comes to a hook, or waits there. */
const COMING: Readonly<Record<LifeCycleHook, RegExp>> = {
  launching: /^(Warmed:)?Pending(:Wait)?$/,
  terminating: /^(InService|Standby|(Warmed:)?Terminating(:Wait)?|Warmed:Pending(:Wait)?)$/,
};

/** Other machines that are there and stay; undefined while the ensemble does not answer. */
async function othersIn(store: Store | undefined, instance: string, signal: AbortSignal): Promise<number | undefined> {
  const ensemble = store?.ensemble;
  if (!ensemble) return undefined;
  try {
    const options = { signal: within(signal, ASK_MS) };
    const [machines, leaving] = await Promise.all([ensemble.machines(options), ensemble.leaving(options)]);
    return machines.filter((machine) => machine.instance !== instance && !leaving.includes(machine.instance)).length;
  } catch {
    signal.throwIfAborted();
    return undefined; // no majority, no way, or no time
  }
}

/** `level`: it has all that was published. `closed`: it was not read yet after a founding. Undefined where there is none. */
async function archiveOf(
  store: Store | undefined,
  signal: AbortSignal,
): Promise<'level' | 'behind' | 'closed' | undefined> {
  if (!store?.ensemble) return undefined;
  try {
    const state = await archiveState(store, { signal: within(signal, ASK_MS) });
    if (!state) return undefined;
    if (!state.open) return 'closed';
    return state.behind === 0 ? 'level' : 'behind';
  } catch {
    signal.throwIfAborted();
    return 'behind'; // it cannot be told: nothing is taken for archived that may not be
  }
}

const within = (signal: AbortSignal, ms: number): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(ms)]);
