import { isUnderWay, planRollout, type Release, type RolloutPlan, RolloutWatch, told } from '@quorate/model';
import { placeIn, type Store, StoreError, type VersionedHead } from '@quorate/store';
import { AlarmGate, type Alarms } from './alarm-gate.ts';
import { askGate } from './gate.ts';

export interface RolloutLeadOptions {
  readonly store: Store;
  /** who this is, for the story */
  readonly by: string;
  readonly log: (line: string) => void;
  /** for gates that are alarms, which have no answer here unless given */
  readonly alarms?: (() => Promise<Alarms>) | undefined;
  /** of these instances, those that are known to be no more; nobody is unless given */
  readonly terminated?: ((about: readonly string[]) => Promise<ReadonlySet<string>>) | undefined;
}

/** What was seen of a rollout at one moment, and what follows from it. */
export interface RolloutLook {
  /** as it is after this look */
  readonly head: VersionedHead;
  readonly release: Release;
  readonly plan: RolloutPlan;
}

/** One bundle's rollout, as whoever leads it sees it: how long something has been so is known here alone. */
export class RolloutLead {
  readonly #options: RolloutLeadOptions;
  readonly #bundle: string;
  readonly #watch = new RolloutWatch();
  readonly #alarms: AlarmGate;

  constructor(bundle: string, options: RolloutLeadOptions) {
    this.#bundle = bundle;
    this.#options = options;
    this.#alarms = new AlarmGate(options.alarms);
  }

  /**
   * Looks once, and takes the step that follows, if one does.
   * @returns undefined when no rollout is under way
   * @throws StoreError, but for CONFLICT: whoever was first has taken a step, and the next look sees it
   */
  async look(signal: AbortSignal): Promise<RolloutLook | undefined> {
    const { store, by, log } = this.#options;
    const bundle = this.#bundle;
    const latest = await store.latest(bundle, { signal });
    const rollout = latest?.head.rollout;
    if (!latest || !isUnderWay(rollout)) return undefined;
    const { head, release } = latest;
    // in this order: what instances say is no older than the head
    const statuses = await store.instances({ signal });
    const instances = statuses.flatMap((one) => {
      const status = one.bundles[bundle];
      return status ? [{ ...placeIn(one), status }] : [];
    });
    const gone = await this.#gone(instances.map(({ id }) => id));
    const sight = this.#watch.look(performance.now(), { release: head.release, rollout }, instances, gone);
    const settings = release.definition.rollout?.gate;
    const gate = settings && (await askGate(settings, bundle, release.number, this.#alarms));
    const plan = planRollout({ release: head.release, rollout, instances, sight, gate });
    if (plan.kind === 'wait') return { head, release, plan };
    // shown only
    const next = told(plan.next, plan.kind, plan.reason, { by, time: new Date().toISOString() });
    try {
      const after = await store.steer(bundle, head, next, { signal });
      const level = plan.kind === 'back' ? 'warn ' : 'info ';
      const what = plan.kind === 'back' ? `goes back to release ${rollout.from}` : plan.kind;
      log(`${level} rollout of ${bundle} ${head.release}: ${what}: ${plan.reason}`);
      return { head: after, release, plan };
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'CONFLICT')) throw error;
      return { head, release, plan: { kind: 'wait', reason: 'somebody else has changed it: looking again' } };
    }
  }

  /** Whoever cannot be asked has said nothing. */
  async #gone(there: readonly string[]): Promise<ReadonlySet<string>> {
    const absent = this.#watch.absent(there);
    if (absent.length === 0) return new Set();
    return (await this.#options.terminated?.(absent).catch(() => undefined)) ?? new Set();
  }
}
