import { availableParallelism, hostname, totalmem } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { type FleetMember, fleetOf, type InstanceFacts } from '@quorate/model';
import type { Rendered } from './rendered.ts';

/** What this machine knows that templates ask for. */
export interface TemplateMachine {
  readonly instance: InstanceFacts;
  /**
   * The live instances, this one too.
   * @param before as they were when the live tree was rendered: who is missing since may only be late
   */
  fleet(before?: readonly FleetMember[]): Promise<readonly FleetMember[]>;
}

/** Where a machine has the fleet from: see `TemplateMachine.fleet`. */
export type FleetSource = (
  self: InstanceFacts,
  before: readonly FleetMember[] | undefined,
) => Promise<readonly FleetMember[]>;

/** What a machine tells of its hardware. */
export function ownFacts(): { readonly memory: number; readonly cores: number } {
  return { memory: Math.round(totalmem() / 1024 / 1024), cores: availableParallelism() };
}

/** A machine that is its own fleet. */
export function lonelyMachine(): TemplateMachine {
  const instance = { id: hostname(), host: hostname(), tags: {}, ...ownFacts() };
  return { instance, fleet: async () => fleetOf([instance]) };
}

/** Whether a tree was rendered from what the machine knows now. */
export async function isRenderedFrom({ facts }: Rendered, machine: TemplateMachine): Promise<boolean> {
  if (!isDeepStrictEqual(facts.instance, machine.instance)) return false;
  return facts.fleet === undefined || isDeepStrictEqual(facts.fleet, await machine.fleet(facts.fleet));
}
