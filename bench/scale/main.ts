// How the work grows with the fleet: `npm run bench -- scale`.
import { measureFleets } from './fleet.ts';
import { measureSessions } from './sessions.ts';

const AGENTS = [10, 100, 300, 1000];
const SESSIONS = 10_000;

/** @returns the tables as Markdown. QUORATE_BENCH_AGENTS and QUORATE_BENCH_SESSIONS set other sizes, separated by commas. */
export async function benchScale(): Promise<string> {
  const agents = sizes('QUORATE_BENCH_AGENTS', AGENTS);
  const sessions = sizes('QUORATE_BENCH_SESSIONS', [SESSIONS]);
  const tables = [await measureFleets(agents)];
  for (const count of sessions) tables.push(await measureSessions(count));
  return tables.join('\n\n');
}

/** @throws Error for a variable that is no list of counts */
function sizes(variable: string, usual: readonly number[]): readonly number[] {
  const text = process.env[variable];
  if (!text) return usual;
  const given = text.split(',').map(Number);
  if (given.every((size) => Number.isSafeInteger(size) && size > 0)) return given;
  throw new Error(`${variable} is ${JSON.stringify(text)}: write counts, as ${usual.join(',')}`);
}
