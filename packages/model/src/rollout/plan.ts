import { describeStep, opened, widened } from './open.ts';
import { isLetIn } from './place.ts';
import { isUnderWay, type Rollout } from './rollout.ts';
import { outcomeOf, type RolloutInstance, type RolloutSight } from './watch.ts';

/** What the gate outside said last. One that cannot be asked, or does not know, is waited for, and not for ever. */
export interface GateAnswer {
  readonly state: 'open' | 'shut' | 'unknown';
  /** in words */
  readonly detail: string;
}

export interface RolloutView {
  /** the head's release, which is rolled out */
  readonly release: number;
  readonly rollout: Rollout;
  /** instances that show themselves and have the bundle */
  readonly instances: readonly RolloutInstance[];
  readonly sight: RolloutSight;
  /** absent where none is set */
  readonly gate?: GateAnswer | undefined;
}

/** At most one next step. `next` is the head's rollout after it, but for its story. */
export type RolloutPlan =
  | { readonly kind: 'wait'; readonly reason: string }
  | { readonly kind: 'advanced' | 'done' | 'back'; readonly next: Rollout; readonly reason: string };

/** Instances that a reason names; the others are counted. */
const NAMED_MOST = 5;
/** Characters of what one instance says of its failure: which command, and what that printed. */
const DETAIL_MOST = 160;
const OUTPUT_MOST = 400;

/**
 * The next step of a rollout, or what is waited for. Pure: all that has to outlast whoever leads is in the head, and the change is conditional on the head that was seen, so
 * that two leaders at once do no harm.
 *
 * - It goes back as soon as more instances have failed than are tolerated, or all that have it; also while it is paused. One that was let in fails when it says so, or when
 *   it has neither applied the release nor become healthy in time, or shows itself no more for as long.
 * - It goes forward when all others that were let in are healthy and were so without a break for the time to bake, and the gate, where one is set, lets it.
 */
export function planRollout({ release, rollout, instances, sight, gate }: RolloutView): RolloutPlan {
  if (!isUnderWay(rollout)) return wait(rollout.state === 'done' ? 'it is done' : 'it has gone back');
  const members = instances.filter((one) => isLetIn(rollout, one));
  const failed = members.filter(({ status }) => outcomeOf(status, release) === 'failed');
  const isLate = ([, seconds]: [string, number]): boolean => seconds > rollout.wait;
  const late = [...sight.pending].filter(isLate).map(([id]) => id);
  const lost = [...sight.missing].filter(isLate).map(([id]) => id);
  const faults = failed.length + late.length + lost.length;
  const had = members.length + sight.missing.size;
  const tolerated = toleratedOf(rollout, had);
  // where none is left who could tell that the release is good, nothing is tolerated
  if (faults > tolerated || (faults > 0 && faults === had))
    return back(rollout, describeFaults({ failed, late, lost }, rollout.wait, tolerated));
  if (gate?.state === 'shut') return back(rollout, `the gate is shut: ${gate.detail}`);
  if (instances.length === 0) return wait('no instance that has the bundle shows itself');
  if (rollout.state === 'paused') return wait('it is paused');
  if (members.length === 0 && sight.missing.size === 0) return reopen(rollout, instances, sight);
  const waited = [...sight.pending.keys(), ...sight.missing.keys()].filter(
    (id) => !late.includes(id) && !lost.includes(id),
  );
  if (waited.length > 0) return wait(`${listed(waited)}: not applied and healthy yet`);
  if (sight.calm === undefined) return wait('nobody has applied it and is healthy');
  if (sight.calm < rollout.bake)
    return wait(`healthy for ${Math.floor(sight.calm)} of ${rollout.bake} s on ${members.length - faults}`);
  if (gate && gate.state !== 'open') {
    return sight.calm > rollout.bake + rollout.wait
      ? back(rollout, `the gate has said neither yes nor no for ${rollout.wait} s: ${gate.detail}`)
      : wait(`the gate says neither yes nor no: ${gate.detail}`);
  }
  const tried = `${members.length - faults} healthy${faults > 0 ? `, ${faults} failed of ${tolerated} that are tolerated` : ''}`;
  const next = widened(rollout, instances);
  if (next) return { kind: 'advanced', next, reason: `${tried}: ${describeStep(next)}` };
  return { kind: 'done', next: { ...rollout, state: 'done' }, reason: tried };
}

/** Nobody of those who were let in is left: a share lets in others, canaries are waited for. */
function reopen(rollout: Rollout, instances: readonly RolloutInstance[], { empty = 0 }: RolloutSight): RolloutPlan {
  const step = rollout.steps[rollout.at]!;
  if ('canary' in step) {
    const nobody = `none of ${listed(step.canary)} shows itself`;
    return empty > rollout.wait ? back(rollout, `${nobody}, for ${rollout.wait} s`) : wait(nobody);
  }
  const next = 'zone' in step ? widened(rollout, instances) : opened(rollout, rollout.at, instances);
  if (!next) return wait('nobody is left'); // the last step lets in all
  return { kind: 'advanced', next, reason: `nobody who had it is left: ${describeStep(next)}` };
}

const wait = (reason: string): RolloutPlan => ({ kind: 'wait', reason });
const back = (rollout: Rollout, reason: string): RolloutPlan => ({
  kind: 'back',
  next: { ...rollout, state: 'back' },
  reason,
});

/** @param tried how many were let in */
function toleratedOf({ tolerate }: Rollout, tried: number): number {
  return typeof tolerate === 'number' ? tolerate : Math.floor((tried * Number.parseInt(tolerate, 10)) / 100);
}

interface Faults {
  readonly failed: readonly RolloutInstance[];
  readonly late: readonly string[];
  readonly lost: readonly string[];
}

function describeFaults({ failed, late, lost }: Faults, seconds: number, tolerated: number): string {
  const [first] = failed;
  const why = first && describeFailure(first);
  const more = failed.slice(1).map(({ id }) => id);
  return [
    ...(why ? [why] : []),
    ...(more.length > 0 ? [`failed too: ${listed(more)}`] : []),
    ...(late.length > 0 ? [`not applied and healthy within ${seconds} s: ${listed(late)}`] : []),
    ...(lost.length > 0 ? [`gone since, for ${seconds} s: ${listed(lost)}`] : []),
    ...(tolerated > 0 ? [`${tolerated} tolerated of those that have it, and never all`] : []),
  ].join('; ');
}

/** In one line: what failed, and what its command printed about it, which tells the file and the line. */
function describeFailure({ id, status: { state, health, detail = '' } }: RolloutInstance): string {
  const [first = '', ...rest] = detail.split('\n').map((line) => line.trim());
  const what = state === 'applied' && health === 'unhealthy' ? health : state;
  const printed = rest.filter((line) => line !== '').join(' | ');
  const said = [bounded(first, DETAIL_MOST), bounded(printed, OUTPUT_MOST)].filter((part) => part !== '');
  return [`${id} ${what}`, ...said].join(': ');
}

/** Of a longer text the middle goes, and more is left of its beginning: some commands name the cause first, others last. */
function bounded(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = Math.floor(most / 3);
  return `${text.slice(0, most - end)} … ${text.slice(-end)}`;
}

function listed(names: readonly string[]): string {
  const more = names.length - NAMED_MOST;
  return `${names.slice(0, NAMED_MOST).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
