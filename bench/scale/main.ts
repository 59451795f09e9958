// How the work grows with the fleet: `npm run bench -- scale`.
import { measureSessions } from './sessions.ts';

const SESSIONS = 10_000;

/** @returns the tables as Markdown. QUORATE_BENCH_SESSIONS sets another number of sessions. */
export function benchScale(): Promise<string> {
  const [sessions] = sizes('QUORATE_BENCH_SESSIONS', [SESSIONS]);
  return measureSessions(sessions!);
}

/** @throws Error for a variable that is no list of counts */
function sizes(variable: string, usual: readonly number[]): readonly number[] {
  const text = process.env[variable];
  if (!text) return usual;
  const given = text.split(',').map(Number);
  if (given.every((size) => Number.isSafeInteger(size) && size > 0)) return given;
  throw new Error(`${variable} is ${JSON.stringify(text)}: write counts, as ${usual.join(',')}`);
}
