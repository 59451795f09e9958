import { createHash } from 'node:crypto';
import { isUnderWay, type Rollout, type RolloutStep } from './rollout.ts';

/** What an instance knows of itself that a rollout asks for. */
export interface InstancePlace {
  readonly id: string;
  readonly zone?: string;
  readonly tags?: Readonly<Record<string, string>>;
}

/** Places are numbers from 0 to below this. */
export const PLACES = 2 ** 32;

/** An instance's place in the order of one rollout: whoever draws it gets the same, and another rollout draws another. */
export function placeOf(rollout: string, instance: string): number {
  return createHash('sha256').update(`${rollout}\n${instance}`).digest().readUInt32BE(0);
}

/** Whether the steps so far let an instance in. */
export function isLetIn({ id, steps, at, below }: Rollout, instance: InstancePlace): boolean {
  return (
    at === steps.length - 1 ||
    steps.slice(0, at + 1).some((step) => isNamed(step, instance)) ||
    placeOf(id, instance.id) < below
  );
}

/** Whether a step lets an instance in by what it is, not by its place. */
export function isNamed(step: RolloutStep, { id, zone, tags = {} }: InstancePlace): boolean {
  if ('zone' in step) return step.zone === zone;
  if (!('canary' in step)) return false;
  const names = new Set([id, ...Object.entries(tags).flatMap(([key, value]) => [`tag:${key}`, `tag:${key}=${value}`])]);
  return step.canary.some((name) => names.has(name));
}

/** The release that an instance is to run. Pure: the same head gives each instance the same answer, whenever it asks. */
export function releaseFor(
  head: { readonly release: number; readonly rollout?: Rollout | undefined },
  instance: InstancePlace,
): number {
  const { release, rollout } = head;
  if (rollout?.state === 'back') return rollout.from;
  return isUnderWay(rollout) && !isLetIn(rollout, instance) ? rollout.from : release;
}

/** The release that stands: the one that all instances run where no rollout is under way, and that one goes back to where it is. */
export function standingRelease(head: { readonly release: number; readonly rollout?: Rollout | undefined }): number {
  const { release, rollout } = head;
  return rollout && rollout.state !== 'done' ? rollout.from : release;
}
