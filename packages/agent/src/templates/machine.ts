import { availableParallelism, hostname, totalmem } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { type FleetMember, fleetOf, type InstanceFacts, SECRETS_FORMAT, sha256 } from '@quorate/model';
import { AgentError } from '../errors.ts';
import type { SecretReader } from '../secrets/index.ts';
import type { Rendered } from './rendered.ts';

/** What this machine knows that templates ask for. */
export interface TemplateMachine {
  readonly instance: InstanceFacts;
  /**
   * The live instances, this one too.
   * @param before as they were when the live tree was rendered: who is missing since may only be late
   */
  fleet(before?: readonly FleetMember[]): Promise<readonly FleetMember[]>;
  readonly secret: SecretReader;
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
  const secret: SecretReader = async (_, name) => {
    throw new AgentError('NO_SECRET', `the secret ${name} cannot be read by itself`);
  };
  return { instance, fleet: async () => fleetOf([instance]), secret };
}

/** Whether a tree was rendered from what the machine knows now. */
export async function isRenderedFrom({ facts }: Rendered, machine: TemplateMachine): Promise<boolean> {
  if (!isDeepStrictEqual(facts.instance, machine.instance)) return false;
  if (facts.fleet && !isDeepStrictEqual(facts.fleet, await machine.fleet(facts.fleet))) return false;
  for (const [name, { from, sha256: was }] of Object.entries(facts.outside ?? {})) {
    const record = { format: SECRETS_FORMAT, recipients: [], outside: { [name]: from } };
    const now = await machine.secret(record, name, undefined).catch(() => undefined); // out of reach: what is here stays
    if (now !== undefined && sha256(now) !== was) return false;
  }
  return true;
}
