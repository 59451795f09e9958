import { setTimeout as delay } from 'node:timers/promises';
import type { AgentError, AgentErrorCode } from '../errors.ts';
import type { MemberAnswer, MemberHealth } from './health.ts';
import type { Member, StartOptions } from './member.ts';
import type { Trouble } from './trouble.ts';

/**
 * `absent`: none is to run here now; `starting`; `seeking`: it runs, and no majority follows a leader that it knows; `serving`; `hung`: it runs and does not answer;
 * `down`, or a reason why it cannot run.
 */
export type MemberState = 'absent' | 'starting' | 'seeking' | 'serving' | 'hung' | Trouble['state'];

export interface MemberReport {
  readonly state: MemberState;
  /** `leader`, `follower` or `observer` while it serves */
  readonly mode?: string;
  /** what it answers of itself while it serves */
  readonly health?: MemberHealth;
  /** in words, with what to do */
  readonly detail?: string;
}

/** ms between looks, usually and while it comes up */
const LOOK_MS = 2000;
const LOOK_CLOSER_MS = 500;
/** A member that ends again and again is started again after these ms, then each last one. */
const RESTART_MS = [0, 1000, 5000, 15_000, 60_000];
const MENDED_HERE: ReadonlySet<MemberState> = new Set(['no-java', 'port-taken', 'disk-full']);
/** A member that served for this long ended for a new reason. ms */
const SETTLED_MS = 60_000;
/** So long a process that has answered may be silent: Java collects garbage, a disk stalls. ms */
const PAUSE_MS = 15_000;
/** Data that fills more than this part of the heap is told: ZooKeeper keeps its last 500 writes a second time. Seen to end at 0.42 (64 MB). */
const FILL_MOST = 0.3;
/** ms between looks at what a member holds */
const FILL_LOOK_MS = 60_000;
/** A member that has not served for this long, while a majority of the others does, is started anew. ms */
const STUCK_MS = 60_000;
/** A process that has not answered anything for this long is started anew even when nobody else serves: it may be what they lack. ms */
const SILENT_MS = 300_000;

/** What was seen of a member at one moment. Times are ms of this machine's monotonic clock. */
export interface Seen {
  readonly now: number;
  /** whether its process lives */
  readonly lives: boolean;
  /** what it answered, while it lives */
  readonly answer?: MemberAnswer;
  /** whether it has answered anything since it was started or taken over */
  readonly answered: boolean;
  /** what its log and its end say, when it does not serve */
  readonly trouble?: Trouble;
  /** whether its disk has little room, or its files were removed under it: looked at while it serves */
  readonly littleRoom?: boolean;
  /** how much of its heap its data takes, 0 to 1 and above */
  readonly fill?: number;
  /** the number of a process that was started with other settings than those of now */
  readonly outdated?: number;
  readonly lostFiles?: boolean;
  /** when it was last started, taken over, or served */
  readonly quietSince: number;
  /** when it was last tried to start */
  readonly triedAt: number;
  /** how often it was started, or tried to, since it last served for a while */
  readonly tries: number;
  /** whether a majority of the voters serves without it; undefined when nobody can tell */
  readonly othersServe?: boolean;
  /** ms after which a member that does not serve is started anew */
  readonly stuckAfter: number;
}

export interface Judgement {
  readonly report: MemberReport;
  /** `restart`: its process is ended first */
  readonly act: 'none' | 'start' | 'restart';
}

/** What a member is, and what to do about it. Pure. */
export function judge(seen: Seen): Judgement {
  if (!seen.lives) return judgeEnded(seen);
  const { answer, answered, trouble, now, quietSince, stuckAfter } = seen;
  if (answer?.kind === 'serves') return { report: judgeServing(seen, answer.health), act: 'none' };
  const quiet = now - quietSince;
  const silent = answer?.kind !== 'seeks';
  // it listens only when it has read its data, which takes what it takes
  const reading = answer?.kind === 'closed' && !answered;
  if ((quiet > stuckAfter && seen.othersServe && !reading) || (silent && quiet > SILENT_MS)) {
    const why = seen.othersServe ? 'while a majority of the others does' : 'nor answered anything';
    return {
      report: { state: 'hung', detail: `it has not served for ${seconds(quiet)} s, ${why}: it is started anew` },
      act: 'restart',
    };
  }
  if (trouble) return { report: trouble, act: 'none' };
  if (!silent)
    return {
      report: {
        state: 'seeking',
        detail: 'it does not serve: it looks for a leader that a majority of the voters follows',
      },
      act: 'none',
    };
  if (reading || quiet <= PAUSE_MS)
    return {
      report: { state: 'starting', detail: answered ? 'it does not answer' : 'it is being started' },
      act: 'none',
    };
  return {
    report: {
      state: 'hung',
      detail: `its process lives and does not answer: it is started anew after ${seconds(stuckAfter)} s when a majority of the others serves, else after ${seconds(SILENT_MS)} s`,
    },
    act: 'none',
  };
}

function judgeServing({ littleRoom, lostFiles, outdated, fill = 0 }: Seen, health: MemberHealth): MemberReport {
  if (lostFiles)
    return {
      state: 'corrupt',
      mode: health.mode,
      detail: 'its data was removed while it runs: what it acknowledges is not on disk; it must begin anew',
    };
  const serving = { state: 'serving', mode: health.mode, health } as const;
  if (littleRoom) return { ...serving, detail: 'its disk is almost full: free some room' };
  if (fill > FILL_MOST)
    return {
      ...serving,
      detail: `its data fills ${Math.round(fill * 10) * 10} % of its heap: set a larger heap on each machine before more is published`,
    };
  if (outdated)
    return {
      ...serving,
      detail: `it still runs with former settings or jars: end it (kill ${outdated}), one machine after the other, and it starts with those of now`,
    };
  return serving;
}

function judgeEnded({ now, triedAt, tries, trouble }: Seen): Judgement {
  // what must be put right on this machine is seen by looking, which costs little
  const most = trouble && MENDED_HERE.has(trouble.state) ? 3 : RESTART_MS.length - 1;
  const wait = triedAt + RESTART_MS[Math.min(tries, most)]! - now;
  if (wait <= 0) return { report: trouble ?? { state: 'starting', detail: 'it is being started' }, act: 'start' };
  return { report: trouble ?? { state: 'down', detail: 'it does not run' }, act: 'none' };
}

const seconds = (ms: number): number => Math.round(ms / 1000);

export interface SuperviseOptions {
  /** how to start it, asked for anew at each start */
  readonly start?: () => StartOptions | Promise<StartOptions>;
  /** whether a majority of the voters serves without this member; it is asked only about a member that does not serve */
  readonly othersServe?: (signal: AbortSignal) => Promise<boolean>;
  /**
   * Allows, or not, to set aside data that cannot be read, so that the member starts empty. Only where the ensemble can spare it; where
   * absent nothing is done, and `corrupt` is reported.
   */
  readonly spare?: (report: MemberReport, signal: AbortSignal) => Promise<boolean>;
  /** a line for the log of the agent, `warn ` or `info ` first */
  readonly log?: (line: string) => void;
  /** ms until a member that does not serve is started anew; a minute unless told otherwise */
  readonly stuckAfter?: number;
}

/** Keeps a member running and tells what it is at each look. Ends with the signal; the member goes on. */
export async function* superviseMember(
  member: Member,
  signal: AbortSignal,
  options: SuperviseOptions = {},
): AsyncGenerator<MemberReport> {
  const { stuckAfter = STUCK_MS, log = () => undefined } = options;
  let tries = 0;
  let triedAt = Number.NEGATIVE_INFINITY;
  let quietSince = performance.now();
  let servingSince: number | undefined;
  let failure: Trouble | undefined;
  let answered = false;
  let fill: { readonly at: number; readonly value: number | undefined } | undefined;
  await member.takeOver();
  while (!signal.aborted) {
    const { report, act } = await look().then(judge, (error: AgentError): Judgement => {
      // a disk that fails, a folder that is gone: the next look may find it mended
      return { report: describeFailure(error), act: 'none' };
    });
    if (act === 'restart') {
      log(`warn  member ${member.id}: ${report.detail}`);
      await member.stop();
    }
    yield report.state === 'corrupt' ? await setAside(report) : report;
    if (act !== 'none' && !signal.aborted) {
      const told = await start();
      if (told) yield told;
    }
    const changing = report.state === 'starting' || report.state === 'seeking' || act !== 'none';
    await delay(changing ? LOOK_CLOSER_MS : LOOK_MS, undefined, { signal }).catch(() => undefined); // ended by the signal: the loop sees it
  }

  async function look(): Promise<Seen> {
    const lives = await member.lives();
    const answer = lives ? await member.ask() : undefined;
    const now = performance.now();
    const serves = answer?.kind === 'serves';
    answered ||= answer?.kind === 'serves' || answer?.kind === 'seeks';
    if (serves) {
      servingSince ??= now;
      quietSince = now;
      failure = undefined;
      if (now - servingSince > SETTLED_MS) tries = 0;
    } else servingSince = undefined;
    if (lives) await rotateLog();
    const trouble = serves ? undefined : (failure ?? (await member.trouble()));
    const concerns = serves
      ? {
          littleRoom: await member.hasLittleRoom(),
          lostFiles: await member.lostItsFiles(),
          ...(member.isOutdated ? { outdated: member.pid! } : {}),
          ...(await lookAtFill(now)),
        }
      : {};
    const asked = lives && !serves && now - quietSince > stuckAfter;
    const othersServe = asked && options.othersServe ? await options.othersServe(signal) : undefined;
    return {
      now,
      lives,
      answered,
      quietSince,
      triedAt,
      tries,
      stuckAfter,
      ...(answer ? { answer } : {}),
      ...(trouble ? { trouble } : {}),
      ...concerns,
      ...(othersServe === undefined ? {} : { othersServe }),
    };
  }

  async function lookAtFill(now: number): Promise<{ fill?: number }> {
    if (!fill || now - fill.at > FILL_LOOK_MS) fill = { at: now, value: await member.fill() };
    return fill.value === undefined ? {} : { fill: fill.value };
  }

  async function rotateLog(): Promise<void> {
    try {
      await member.rotateLog();
    } catch (error) {
      // a full disk: the next look tries again
      log(`warn  member ${member.id}: its log could not be rotated: ${(error as Error).message}`);
    }
  }

  async function start(): Promise<MemberReport | undefined> {
    triedAt = performance.now();
    tries++;
    try {
      const { started, aside } = await member.start(await options.start?.());
      failure = undefined;
      answered = false;
      quietSince = performance.now();
      if (!started) tries--;
      if (aside) log(`warn  member ${member.id}: data that was not its own lies in ${aside} now`);
      return { state: 'starting', detail: 'it is being started' };
    } catch (error) {
      failure = describeFailure(error as AgentError);
      return failure;
    }
  }

  async function setAside(report: MemberReport): Promise<MemberReport> {
    if (!options.spare || !(await options.spare(report, signal))) return report;
    await member.stop(); // one whose data was removed still runs
    const aside = await member.setAside();
    const lies = aside ? `; it lies in ${aside} now` : '';
    log(`warn  member ${member.id}: ${report.detail}${lies}; the member starts empty`);
    failure = undefined;
    tries = 0;
    triedAt = Number.NEGATIVE_INFINITY;
    return { state: 'corrupt', detail: `${report.detail}${lies}; the member starts empty` };
  }
}

const FAILURES: Partial<Record<AgentErrorCode, Trouble['state']>> = {
  NO_JAVA: 'no-java',
  PORT_TAKEN: 'port-taken',
  DISK_FULL: 'disk-full',
  CORRUPT: 'corrupt',
};

function describeFailure(error: AgentError): Trouble {
  return { state: FAILURES[error.code] ?? 'down', detail: error.message };
}
