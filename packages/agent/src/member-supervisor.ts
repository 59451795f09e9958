import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { declaredLine, formatDynamic, Member, parseServer, type StartOptions } from './ensemble/index.ts';
import type { MemberSettings } from './settings.ts';
import type { MemberState } from './status-file.ts';

export interface MemberReport {
  readonly state: MemberState;
  /** `leader`, `follower` or `observer` while it serves */
  readonly mode?: string;
  readonly detail?: string;
}

/** ZooKeeper's unit of time, in ms: a follower is given up after 4 ticks of silence, a session after its own time-out. */
const TICK_MS = 500;
const LOOK_MS = 2000;
/** A member that ends again and again is started again after these ms, then each last one. */
const RESTART_MS = [0, 1000, 5000, 15_000, 60_000];
/** A member that served for this long ended for a new reason. ms */
const SETTLED_MS = 60_000;

/** The member that the settings declare by hand. @throws AgentError BAD_SETTINGS */
export function declaredMember({ id, servers, heap, jars }: MemberSettings, state: string): Member {
  return new Member({
    id,
    dynamic: formatDynamic(
      Object.entries(servers).map(([server, text]) => declaredLine(parseServer(Number(server), text))),
    ),
    folder: join(state, 'member'),
    tickTime: TICK_MS,
    heap,
    ...(jars ? { jars } : {}),
  });
}

/**
 * Keeps a member running, and tells what it is at each look. Ends with the signal; the member goes on.
 * @param options how it is started whenever it does not run
 */
export async function* superviseMember(
  member: Member,
  signal: AbortSignal,
  options: StartOptions = {},
): AsyncGenerator<MemberReport> {
  let starts = 0;
  let servedSince: number | undefined;
  while (!signal.aborted) {
    const report = await look();
    yield report;
    await delay(report.state === 'serving' ? LOOK_MS : LOOK_MS / 4, undefined, { signal }).catch(() => undefined); // ended by the signal: the loop sees it
  }

  async function look(): Promise<MemberReport> {
    try {
      if ((await member.start(options)).started) starts++;
    } catch (error) {
      await delay(RESTART_MS[Math.min(++starts, RESTART_MS.length - 1)], undefined, { signal }).catch(() => undefined); // as above
      return { state: 'down', detail: (error as Error).message };
    }
    const health = await member.health();
    if (!health) {
      servedSince = undefined;
      return { state: 'starting', detail: 'it does not serve: it looks for a majority of the voters' };
    }
    servedSince ??= performance.now();
    if (performance.now() - servedSince > SETTLED_MS) starts = 0;
    return { state: 'serving', mode: health.mode };
  }
}
