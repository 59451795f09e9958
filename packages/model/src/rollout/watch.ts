import type { BundleStatus } from '../instance.ts';
import { type InstancePlace, isLetIn } from './place.ts';
import type { Rollout } from './rollout.ts';

/** An instance that shows itself, with how the bundle stands on it. */
export interface RolloutInstance extends InstancePlace {
  readonly status: BundleStatus;
}

/** How an instance that was let in stands with the release. */
export type RolloutOutcome = 'good' | 'failed' | 'pending';

const FAILED: ReadonlySet<string> = new Set([
  'rolled-back',
  'refused',
  'disk-full',
  'read-only',
  'missing-parent',
  'replaced',
  'failed',
]);

/** What was said of another release says nothing of this one. */
export function outcomeOf({ applied, target, state, health }: BundleStatus, release: number): RolloutOutcome {
  if (target !== release) return 'pending';
  if (FAILED.has(state) || health === 'unhealthy') return 'failed';
  return applied === release && state === 'applied' && health !== 'checking' ? 'good' : 'pending';
}

/** What whoever leads has seen of the step that is open, by its own monotonic clock alone (P6). Seconds. */
export interface RolloutSight {
  /** since when each instance that was let in is waited for */
  readonly pending: ReadonlyMap<string, number>;
  /** instances that were let in and show themselves no more, without being known to be gone for good */
  readonly missing: ReadonlyMap<string, number>;
  /** since when nobody is waited for, and nobody who was good has ceased to be */
  readonly calm: number | undefined;
  /** since when nobody who was let in shows himself, while others do */
  readonly empty: number | undefined;
}

/** What has to be remembered from one look to the next. All of it begins anew with each step, and with each leader. */
export class RolloutWatch {
  #step = '';
  readonly #pending = new Map<string, number>();
  readonly #missing = new Map<string, number>();
  readonly #seen = new Set<string>();
  #good: ReadonlySet<string> = new Set();
  #calmAt: number | undefined;
  #emptyAt: number | undefined;

  /**
   * @param now ms of the monotonic clock
   * @param gone instances that are known to be no more: nobody waits for them
   */
  look(
    now: number,
    { release, rollout }: { readonly release: number; readonly rollout: Rollout },
    instances: readonly RolloutInstance[],
    gone: ReadonlySet<string> = new Set(),
  ): RolloutSight {
    this.#begin(`${rollout.id} ${rollout.at} ${rollout.below}`);
    const members = instances.filter((one) => isLetIn(rollout, one));
    const outcomes = new Map(members.map(({ id, status }) => [id, outcomeOf(status, release)]));
    for (const id of outcomes.keys()) this.#seen.add(id);
    for (const id of gone) if (!outcomes.has(id)) this.#seen.delete(id);
    since(
      this.#pending,
      [...outcomes].filter(([, outcome]) => outcome === 'pending').map(([id]) => id),
      now,
    );
    since(
      this.#missing,
      [...this.#seen].filter((id) => !outcomes.has(id)),
      now,
    );
    const good = new Set([...outcomes].filter(([, outcome]) => outcome === 'good').map(([id]) => id));
    if ([...this.#good].some((id) => !good.has(id) && this.#seen.has(id))) this.#calmAt = undefined;
    this.#good = good;
    const isWaited = [...this.#pending.values(), ...this.#missing.values()].some(
      (at) => now - at <= rollout.wait * 1000,
    );
    if (!isWaited && good.size > 0) this.#calmAt ??= now;
    if (members.length > 0 || instances.length === 0) this.#emptyAt = undefined;
    else this.#emptyAt ??= now;
    const seconds = (at: number): number => (now - at) / 1000;
    return {
      pending: new Map([...this.#pending].map(([id, at]) => [id, seconds(at)])),
      missing: new Map([...this.#missing].map(([id, at]) => [id, seconds(at)])),
      calm: this.#calmAt === undefined ? undefined : seconds(this.#calmAt),
      empty: this.#emptyAt === undefined ? undefined : seconds(this.#emptyAt),
    };
  }

  /** Those that were seen in this step and are not among these. */
  absent(there: readonly string[]): string[] {
    const now = new Set(there);
    return [...this.#seen].filter((id) => !now.has(id));
  }

  #begin(step: string): void {
    if (step === this.#step) return;
    this.#step = step;
    this.#pending.clear();
    this.#missing.clear();
    this.#seen.clear();
    this.#good = new Set();
    this.#calmAt = undefined;
    this.#emptyAt = undefined;
  }
}

/** Keeps since when each of these is among them without a break. */
function since(known: Map<string, number>, now: readonly string[], at: number): void {
  const there = new Set(now);
  for (const id of known.keys()) if (!there.has(id)) known.delete(id);
  for (const id of now) if (!known.has(id)) known.set(id, at);
}
