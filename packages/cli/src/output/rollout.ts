import {
  describeStep,
  type InstanceStatus,
  isLetIn,
  isUnderWay,
  outcomeOf,
  type Rollout,
  type RolloutEvent,
  type RolloutStory,
  releaseFor,
} from '@quorate/model';
import { placeIn } from '@quorate/store';
import { localTime } from './release.ts';
import { paint } from './style.ts';
import { indented, table } from './table.ts';

/** What is shown of a rollout. */
export interface ShownRollout {
  readonly bundle: string;
  readonly release: number;
  readonly rollout: Rollout;
  /** those that have the bundle */
  readonly instances: readonly InstanceStatus[];
  /** what is waited for now, as far as it can be told from here */
  readonly waiting?: string | undefined;
}

const BAR = 24;
const MARKS = { good: ['green', '✓'], failed: ['red', '✖'], pending: ['yellow', '…'] } as const;
const STATES = { running: 'yellow', paused: 'yellow', done: 'green', back: 'red' } as const;

/** The whole of it: how far it is, each instance that was let in, and its story. */
export function rolloutText(shown: ShownRollout): string {
  const { bundle, release, rollout, instances, waiting } = shown;
  const { state, from } = rollout;
  const title = `${paint('bold', `${bundle} release ${release}`)}  from release ${from}, ${paint(STATES[state], describeState(rollout))}`;
  const rows = instances.map((one) => instanceRow(shown, one));
  const fleet =
    rows.length > 0 ? table(['instance', 'zone', 'is to run', 'runs', ''], rows) : 'no instance shows itself';
  return [
    title,
    ...(isUnderWay(rollout) ? [barOf(shown)] : []),
    ...(waiting === undefined ? [] : [`now  ${waiting}`]),
    '',
    fleet,
    '',
    storyText(rollout),
  ].join('\n');
}

export function describeState({ state, from, steps, at }: Rollout): string {
  if (state === 'done') return 'done';
  if (state === 'back') return `gone back to release ${from}`;
  return `${state === 'paused' ? 'paused at ' : ''}${describeStep({ steps, at })}`;
}

/** Those that are well with it, those that were let in, and the others. */
function barOf({ release, rollout, instances }: ShownRollout): string {
  const letIn = instances.filter((one) => isLetIn(rollout, placeIn(one)));
  const good = letIn.filter((one) => outcomeIn(one, release) === 'good').length;
  const share = (count: number): number => Math.round((BAR * count) / Math.max(1, instances.length));
  const [done, open] = [share(good), share(letIn.length) - share(good)];
  const bar = `${paint('green', '█'.repeat(done))}${paint('yellow', '▒'.repeat(open))}${'░'.repeat(BAR - done - open)}`;
  return `${bar}  ${good} well with it, ${letIn.length} of ${instances.length} let in`;
}

/** The bundle's status stands in one record with others: any of them may be the only one there. */
const bundleOf = (one: InstanceStatus) => Object.values(one.bundles)[0]!;
const outcomeIn = (one: InstanceStatus, release: number) => outcomeOf(bundleOf(one), release);

function instanceRow({ release, rollout }: ShownRollout, one: InstanceStatus): string[] {
  const { applied, state, health, detail } = bundleOf(one);
  const wanted = releaseFor({ release, rollout }, placeIn(one));
  const outcome = wanted === release ? outcomeIn(one, release) : applied === wanted ? 'good' : 'pending';
  const [colour, mark] = MARKS[outcome];
  const [first = ''] = (detail ?? '').split('\n');
  const words = [state === 'applied' ? '' : state, health ?? '', first].filter(Boolean).join(', ');
  return [one.id, one.zone ?? '', String(wanted), `${paint(colour, mark)} ${applied}`, indented(words)];
}

/** What happened, oldest first. */
export function storyText({ story }: Pick<RolloutStory, 'story'>): string {
  return table(['when', 'by', 'what', ''], story.map(eventRow));
}

function eventRow({ time, by, what, why }: RolloutEvent): string[] {
  return [localTime(time), by, what === 'back' ? paint('red', 'back') : what, why];
}

/** The end of a rollout for a line of the history; nothing where all went as it should. */
export function describeOutcome({ state, from, story }: RolloutStory): string | undefined {
  if (state === 'back') return `taken back to release ${from}: ${story.at(-1)?.why ?? ''}`;
  return state === 'done' ? undefined : state === 'paused' ? 'its rollout is paused' : 'is being rolled out';
}
