import { Script } from 'node:vm';
import type { Fault } from './fault.ts';

/** ms that one file may take: all else of this process waits for it, and a session with the store lasts not much longer without pings. */
const MOST_MS = 3000;

const CALL = new Script('work()');

/**
 * Calls a function that is cut off when it takes too long: a parser can need the square of a file's length, a pattern of a schema for ever. The time is the monotonic clock's.
 * @returns what the function does, or that it took too long
 */
export function bounded(work: () => Fault | undefined): Fault | undefined {
  try {
    return CALL.runInNewContext({ work }, { timeout: MOST_MS });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    return { reason: `takes more than ${MOST_MS / 1000} s to be checked` };
  }
}
