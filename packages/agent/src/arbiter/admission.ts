import { type Admission, admit, type Founder } from '@quorate/model';
import { AgentError } from '../errors.ts';
import type { Arbiter } from './arbiter.ts';

/** Whose ensemble takes a machine in, and who does it. */
export interface Admitting {
  readonly cluster: string;
  readonly generation: number;
  readonly controller: Founder;
  /** instances with server ids now */
  readonly known: readonly string[];
}

/**
 * Enters a machine at a shared arbiter, before it is given a server id: whoever founds the ensemble again has to hear it. Nothing to do where the operator
 * is the arbiter.
 * @param terminated instances that are known to be no more: they go
 * @returns why it may not be taken in now
 */
export async function enterMember(
  arbiter: Arbiter,
  instance: string,
  own: Admitting,
  terminated: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<string | undefined> {
  if (arbiter.kind === 'static') return undefined;
  try {
    const { record, version } = await arbiter.read(signal);
    const admission: Admission = admit(record, instance, own, terminated);
    if ('refusal' in admission) return admission.refusal;
    const entered = await arbiter.claim(admission.record, version, signal);
    return entered
      ? undefined
      : `the arbiter's record was changed at the same moment: ${instance} is entered at the next look`;
  } catch (error) {
    if (error instanceof AgentError) return error.message;
    throw error;
  }
}
