import { join } from 'node:path';
import {
  askMember,
  declaredLine,
  formatDynamic,
  isNewFolder,
  Member,
  type MemberReport,
  parseServer,
  type Server,
  superviseMember,
} from './ensemble/index.ts';
import type { MemberSettings } from './settings/index.ts';

/** ZooKeeper's unit of time, in ms: a follower is given up after 4 ticks of silence, a session after its own time-out. */
export const TICK_MS = 500;

/**
 * Keeps the member running that the settings declare by hand, and tells what it is at each look. Ends with the signal; the member goes on.
 * @throws AgentError BAD_SETTINGS
 */
export async function* superviseDeclared(
  { id, servers, heap, jars }: MemberSettings,
  state: string,
  log: (line: string) => void,
  signal: AbortSignal,
): AsyncGenerator<MemberReport> {
  const declared = Object.entries(servers).map(([server, text]) => parseServer(Number(server), text));
  const folder = join(state, 'member');
  const member = new Member({
    id,
    dynamic: formatDynamic(declared.map(declaredLine)),
    folder,
    tickTime: TICK_MS,
    heap,
    ...(jars ? { jars } : {}),
  });
  const others = declared.filter((server) => server.id !== id);
  const othersServe = (): Promise<boolean> => majorityServes(others, declared.length);
  yield* superviseMember(member, signal, {
    // a new disk in an old ensemble gets everything from the others before it votes
    start: async () => ({ rewrite: true, found: (await isNewFolder(folder)) && !(await othersServe()) }),
    othersServe,
    // every transaction that was acknowledged is on a majority that serves now, and the emptied member has no vote before it has them too
    spare: othersServe,
    log,
  });
}

/** Whether a majority of all declared servers serves, asked one by one, this machine's own left out. */
async function majorityServes(others: readonly Server[], all: number): Promise<boolean> {
  const answers = await Promise.all(
    others.map(({ address, clientPort }) => askMember({ host: address, port: clientPort })),
  );
  return answers.filter(({ kind }) => kind === 'serves').length > all / 2;
}
