import { setImmediate as breathe } from 'node:timers/promises';
import { Script } from 'node:vm';
import { processorTime } from '@quorate/model';
import type { Fault } from './fault.ts';

/** ms of the processor that one file may take, and ms that may go by at once: all else of this process waits for it, and a session with the store lasts not much longer without pings. */
const MOST_MS = 3000;
/** Of the time that went by, something is always another's. */
const ALMOST = 0.8;
/** Attempts on a machine whose processors others keep busy: a good file waits there, and is not to be refused for that. */
const ATTEMPTS = 5;

const CALL = new Script('work()');

/**
 * Calls a function that is cut off when it takes too long: a parser can need the square of a file's length, a pattern of a schema for ever.
 * One that was cut off before it had its time of the processor is called again; what it had counts.
 * @param most ms
 * @returns what the function does, or that it took too long
 */
export async function bounded(work: () => Fault | undefined, most = MOST_MS): Promise<Fault | undefined> {
  const begun = processorTime();
  for (let attempt = 1; ; attempt++) {
    try {
      return CALL.runInNewContext({ work }, { timeout: most });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    }
    if (processorTime() - begun > most * ALMOST) return { reason: `takes more than ${most / 1000} s to be checked` };
    if (attempt === ATTEMPTS)
      return { reason: `could not be checked: ${ATTEMPTS} times this machine was too busy for ${most / 1000} s` };
    await breathe();
  }
}
