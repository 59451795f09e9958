import * as v from 'valibot';
import { count, positive } from '../codec.ts';

/** Which instances a step lets in, besides those of the steps before it. */
export type RolloutStep =
  /** those named by id, or by a tag as `tag:KEY` or `tag:KEY=VALUE` */
  | { readonly canary: readonly string[] }
  | { readonly zone: string }
  /** this share of the fleet, those of earlier steps counted in */
  | { readonly percent: number };

/** `done`: every instance runs the release. `back`: every instance runs the one before. */
export const ROLLOUT_STATES = ['running', 'paused', 'done', 'back'] as const;
export type RolloutState = (typeof ROLLOUT_STATES)[number];

export const ROLLOUT_EVENTS = ['begun', 'advanced', 'paused', 'resumed', 'promoted', 'back', 'done'] as const;

/** One line of a rollout's story. */
export interface RolloutEvent {
  readonly what: (typeof ROLLOUT_EVENTS)[number];
  /** the step that it was at from then on, 0 for the first */
  readonly at: number;
  /** in words */
  readonly why: string;
  /** who wrote it: a person, or the instance that led */
  readonly by: string;
  /** the writer's wall clock, ISO 8601: shown, never compared */
  readonly time: string;
}

/**
 * The staged move of a fleet from one release to the head's, as the head carries it. Which release an instance runs follows from it and from what the
 * instance knows of itself; nothing is written for each of them.
 */
export interface Rollout {
  /** the places of instances are drawn by it */
  readonly id: string;
  /** the release that the others run, and all of them when it goes back */
  readonly from: number;
  readonly state: RolloutState;
  /** the last one lets in all */
  readonly steps: readonly RolloutStep[];
  /** how many steps are behind: 0 in the first one */
  readonly at: number;
  /** places below this one are let in by their share; 0 to `PLACES` */
  readonly below: number;
  /** seconds that an instance has until it has applied the release and is healthy */
  readonly wait: number;
  /** seconds that a step has to be healthy until the next one */
  readonly bake: number;
  /** instances that may fail, or a share of those tried as `5%` */
  readonly tolerate: number | string;
  readonly story: readonly RolloutEvent[];
}

/** Steps of a rollout at most: a hundred of one percent, with canaries before them. */
const STEPS_MOST = 128;
/** Lines of a story that are kept, and characters of each: the head stays a few kilobytes. The one that tells why it went back has room for what a command printed. */
const STORY_MOST = 40;
const WHY_MOST = 300;
const BACK_MOST = 1000;

const text = v.string();
export const StoryEntries = {
  from: positive,
  state: v.picklist(ROLLOUT_STATES),
  story: v.array(v.object({ what: v.picklist(ROLLOUT_EVENTS), at: count, why: text, by: text, time: text })),
};
export const RolloutSchema = v.pipe(
  v.object({
    id: v.pipe(text, v.nonEmpty()),
    from: positive,
    state: StoryEntries.state,
    steps: v.pipe(
      v.array(
        v.union([
          v.object({ canary: v.array(text) }),
          v.object({ zone: text }),
          v.object({ percent: v.pipe(v.number(), v.minValue(0), v.maxValue(100)) }),
        ]),
      ),
      v.minLength(1),
      v.maxLength(STEPS_MOST),
    ),
    at: count,
    below: count,
    wait: v.pipe(v.number(), v.minValue(0)),
    bake: v.pipe(v.number(), v.minValue(0)),
    tolerate: v.union([count, v.pipe(text, v.regex(/^\d{1,3}%$/))]),
    story: StoryEntries.story,
  }),
  v.check(({ at, steps }) => at < steps.length, 'a step that the rollout has'),
);

export type RolloutUnderWay = Rollout & { readonly state: 'running' | 'paused' };

/** Whether it can still change what an instance runs by itself. */
export const isUnderWay = (rollout: Rollout | undefined): rollout is RolloutUnderWay =>
  rollout?.state === 'running' || rollout?.state === 'paused';

/** Who writes, and when by their clock. */
export interface Signature {
  readonly by: string;
  /** ISO 8601, shown only */
  readonly time: string;
}

/** One more line of its story; of a long one the middle goes. */
export function told(rollout: Rollout, what: RolloutEvent['what'], why: string, { by, time }: Signature): Rollout {
  const most = what === 'back' ? BACK_MOST : WHY_MOST;
  const short = why.length > most ? `${why.slice(0, most - 1)}…` : why;
  const story = [...rollout.story, { what, at: rollout.at, why: short, by: by.slice(0, WHY_MOST), time }];
  return { ...rollout, story: story.length > STORY_MOST ? story.toSpliced(STORY_MOST / 2, 1) : story };
}
