import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { declaredLine, formatDynamic, Member, parseServer } from './ensemble/index.ts';
import type { Settings } from './settings.ts';
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

/** Keeps this machine's declared member running, and tells each change of what it is. Ends with the signal; the member goes on. */
export async function* superviseMember(settings: Settings, signal: AbortSignal): AsyncGenerator<MemberReport> {
  const { id, servers, heap, jars } = settings.member!;
  const member = new Member({
    id,
    dynamic: formatDynamic(
      Object.entries(servers).map(([server, text]) => declaredLine(parseServer(Number(server), text))),
    ),
    folder: join(settings.state, 'member'),
    tickTime: TICK_MS,
    heap,
    ...(jars ? { jars } : {}),
  });
  let starts = 0;
  let servedSince: number | undefined;
  while (!signal.aborted) {
    const report = await look();
    yield report;
    await delay(report.state === 'serving' ? LOOK_MS : LOOK_MS / 4, undefined, { signal }).catch(() => undefined); // ended by the signal: the loop sees it
  }

  async function look(): Promise<MemberReport> {
    try {
      if ((await member.start({ rewrite: true })).started) starts++;
    } catch (error) {
      await delay(RESTART_MS[Math.min(++starts, RESTART_MS.length - 1)], undefined, { signal }).catch(() => undefined); // as above
      return { state: 'down', detail: (error as Error).message };
    }
    const health = await member.health();
    if (!health) {
      servedSince = undefined;
      return { state: 'starting', detail: 'it does not serve: it looks for a majority of the declared servers' };
    }
    servedSince ??= performance.now();
    if (performance.now() - servedSince > SETTLED_MS) starts = 0;
    return { state: 'serving', mode: health.mode };
  }
}
