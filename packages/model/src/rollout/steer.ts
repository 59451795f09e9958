import { ModelError } from '../errors.ts';
import { PLACES } from './place.ts';
import { isUnderWay, type Rollout, type Signature, told } from './rollout.ts';

/** What a person does to a rollout. Each is one change of the head, at any moment of it. */
export const STEERINGS = ['pause', 'resume', 'abort', 'promote'] as const;
export type Steering = (typeof STEERINGS)[number];

/**
 * @param why in words; may be empty
 * @throws ModelError NO_ROLLOUT when it is over, or when it is paused or running already
 */
export function steered(rollout: Rollout | undefined, steering: Steering, why: string, signature: Signature): Rollout {
  if (!rollout) throw new ModelError('NO_ROLLOUT', 'no rollout is under way');
  const { state } = rollout;
  if (!isUnderWay(rollout))
    throw new ModelError('NO_ROLLOUT', `the rollout is over: it ${state === 'done' ? 'is done' : 'has gone back'}`);
  switch (steering) {
    case 'pause':
      if (state === 'paused') throw new ModelError('NO_ROLLOUT', 'the rollout is paused already');
      return told({ ...rollout, state: 'paused' }, 'paused', why, signature);
    case 'resume':
      if (state === 'running') throw new ModelError('NO_ROLLOUT', 'the rollout is running already');
      return told({ ...rollout, state: 'running' }, 'resumed', why, signature);
    case 'abort':
      return told({ ...rollout, state: 'back' }, 'back', why || 'aborted', signature);
    case 'promote': {
      const last = { ...rollout, state: 'running' as const, at: rollout.steps.length - 1, below: PLACES };
      return told(last, 'promoted', why, signature);
    }
  }
}
