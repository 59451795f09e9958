import {
  draftRollout,
  type Head,
  type InstancePlace,
  type InstanceStatus,
  isUnderWay,
  type Release,
  type Rollout,
  type Strategy,
  standingRelease,
} from '@quorate/model';
import { StoreError } from './errors.ts';
import type { CallOptions, Latest, Store } from './store.ts';

/** How a publisher wants a release to go out. */
export interface RolloutWish {
  /** instead of the definition's; `now`: to all at once, without a rollout */
  readonly strategy?: Strategy | 'now';
  /** takes the place of a rollout that is under way: what it has let in goes to the new release, or back, as the new one's steps have it */
  readonly supersede?: boolean;
}

/** @throws StoreError ROLLING_OUT while the base is being rolled out and is not to be superseded */
export function checkNotUnderWay(bundle: string, base: Latest | undefined, wish: RolloutWish = {}): void {
  if (!base || !isUnderWay(base.head.rollout) || wish.supersede) return;
  const { number, author } = base.release;
  const { state, at, steps } = base.head.rollout;
  throw new StoreError(
    'ROLLING_OUT',
    `release ${number} of ${bundle} by ${author} is being rolled out (step ${at + 1} of ${steps.length}${state === 'paused' ? ', paused' : ''}); nothing was published`,
    { bundle },
  );
}

/** The rollout of a release as it begins; undefined where all get it at once. */
export async function rolloutOf(
  store: Store,
  release: Release,
  head: Head,
  { strategy }: RolloutWish = {},
  options: CallOptions = {},
): Promise<Rollout | undefined> {
  const { rollout: own } = release.definition;
  if (strategy === 'now' || (!own && !strategy)) return undefined;
  const { step, ...rest } = own ?? {};
  // a step is one of its strategy
  const settings = strategy && strategy !== own?.strategy ? { ...rest, strategy } : own!;
  const instances = await store.instances(options);
  return draftRollout({
    id: release.id,
    from: standingRelease(head),
    settings,
    instances: instances.filter((one) => release.bundle in one.bundles).map(placeIn),
    signature: { by: release.author, time: release.time },
  });
}

export const placeIn = ({ id, zone, tags }: InstanceStatus): InstancePlace => ({
  id,
  ...(zone === undefined ? {} : { zone }),
  ...(tags ? { tags } : {}),
});
