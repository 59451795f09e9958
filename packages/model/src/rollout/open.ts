import { type InstancePlace, isLetIn, PLACES, placeOf } from './place.ts';
import { type Rollout, type RolloutStep, type Signature, told } from './rollout.ts';
import { DEFAULT_ROLLOUT, type RolloutSettings } from './settings.ts';

export interface RolloutDraft {
  readonly id: string;
  /** the release that the fleet runs now */
  readonly from: number;
  readonly settings: RolloutSettings;
  /** instances that have the bundle, as they show themselves now */
  readonly instances: readonly InstancePlace[];
  readonly signature: Signature;
}

/** A rollout with its first step open. */
export function draftRollout({ id, from, settings, instances, signature }: RolloutDraft): Rollout {
  const steps = stepsOf(settings, instances);
  const closed: Rollout = {
    id,
    from,
    state: 'running',
    steps,
    at: 0,
    below: 0,
    wait: settings.wait ?? DEFAULT_ROLLOUT.wait,
    bake: settings.bake ?? DEFAULT_ROLLOUT.bake,
    tolerate: settings.tolerate ?? DEFAULT_ROLLOUT.tolerate,
    story: [],
  };
  const rollout = opened(closed, 0, instances);
  return told(rollout, 'begun', `${describeStep(rollout)} first`, signature);
}

function stepsOf(
  { strategy = 'all', step, canary }: RolloutSettings,
  instances: readonly InstancePlace[],
): RolloutStep[] {
  const first: RolloutStep[] = canary ? [{ canary: [...canary] }] : [];
  switch (strategy) {
    case 'all':
      return [...first, { percent: 100 }];
    case 'linear': {
      const by = step ?? DEFAULT_ROLLOUT.linear;
      const count = Math.ceil(100 / by);
      return [...first, ...Array.from({ length: count }, (_, at) => ({ percent: Math.min(100, (at + 1) * by) }))];
    }
    case 'exponential': {
      const percents: RolloutStep[] = [];
      for (let percent = step ?? DEFAULT_ROLLOUT.exponential; percent < 100; percent *= 2) percents.push({ percent });
      return [...first, ...percents, { percent: 100 }];
    }
    case 'zones': {
      const zones = [...new Set(instances.flatMap(({ zone }) => (zone === undefined ? [] : [zone])))].sort();
      // the last zone comes with those that are in none, or in one that nobody saw
      return [
        ...first,
        ...zones
          .slice(0, ZONES_MOST)
          .slice(0, -1)
          .map((zone) => ({ zone })),
        { percent: 100 },
      ];
    }
  }
}

/** Zones that get a step of their own. */
const ZONES_MOST = 64;

/** With the step `at` open, for the fleet as it is now. A share never lets in more than its part of these, one at least, and nobody who was let in is put out again. */
export function opened(rollout: Rollout, at: number, instances: readonly InstancePlace[]): Rollout {
  const next = { ...rollout, at };
  const step = rollout.steps[at]!;
  if (!('percent' in step)) return next;
  if (step.percent >= 100) return { ...next, below: PLACES };
  const wanted =
    Math.ceil((instances.length * step.percent) / 100) - instances.filter((one) => isLetIn(next, one)).length;
  if (wanted <= 0) return next;
  const places = instances.filter((one) => !isLetIn(next, one)).map((one) => placeOf(rollout.id, one.id));
  places.sort((a, b) => a - b);
  return { ...next, below: Math.max(rollout.below, places[Math.min(wanted, places.length) - 1]! + 1) };
}

/**
 * With the next step open that lets in somebody of these: what adds nobody need not be waited for.
 * @returns undefined when all steps are open
 */
export function widened(rollout: Rollout, instances: readonly InstancePlace[]): Rollout | undefined {
  const last = rollout.steps.length - 1;
  if (rollout.at === last) return undefined;
  for (let at = rollout.at + 1; at < last; at++) {
    const next = opened(rollout, at, instances);
    if (instances.some((one) => isLetIn(next, one) && !isLetIn(rollout, one))) return next;
  }
  return opened(rollout, last, instances);
}

/** Who has the release with the step that is open, in words. */
export function describeStep({ steps, at }: Pick<Rollout, 'steps' | 'at'>): string {
  const step = steps[at]!;
  const which = `step ${at + 1} of ${steps.length}`;
  if ('canary' in step) return `${which} (${step.canary.join(', ')})`;
  if ('zone' in step) return `${which} (zone ${step.zone})`;
  return step.percent >= 100 ? `${which} (all)` : `${which} (${step.percent} %)`;
}
