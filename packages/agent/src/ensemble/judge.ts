import type { MemberAnswer, MemberHealth } from './health.ts';
import type { Trouble } from './trouble.ts';

/**
 * `absent`: none is to run here now; `starting`; `seeking`: it runs, and no majority follows a leader that it knows; `serving`;
 * `hung`: it runs and does not answer;
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

/** A member that ends again and again is started again after these ms, then each last one. */
const RESTART_MS = [0, 1000, 5000, 15_000, 60_000];
const MENDED_HERE: ReadonlySet<MemberState> = new Set(['no-java', 'port-taken', 'disk-full']);
/** So long a process that has answered may be silent: Java collects garbage, a disk stalls. ms */
const PAUSE_MS = 15_000;
/** Data that fills more than this part of the heap is told: ZooKeeper keeps its last 500 writes a second time. Seen to end at 0.42 (64 MB). */
const FILL_MOST = 0.3;
/** A process that has not answered anything for this long is started anew even when nobody else serves: it may be what they lack. ms */
const SILENT_MS = 300_000;
/** A newer certificate is taken within moments by a member that has file watchers. ms */
const TAKEN_MS = 20_000;
/** ms between two members that are started anew for their certificates, and how many ids have a turn of their own */
const TURN_MS = 15_000;
const TURNS = 20;

/** ms after which a member is started anew for its certificate: where all have new ones, one goes after the other. @param id server id */
export function certificateTurn(id: number): number {
  return TAKEN_MS + (id % TURNS) * TURN_MS;
}

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
  readonly certificate?: {
    /** ms for which it has not shown the certificate that lies in its folder */
    readonly missingFor: number;
    /** ms of that after which it is started anew: see `certificateTurn` */
    readonly turn: number;
    /** whether it was started anew for that certificate already */
    readonly tried: boolean;
  };
  /** when it was last started or taken over, first answered after that, or served */
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
  if (answer?.kind === 'serves') return judgeCertificate(seen, judgeServing(seen, answer.health));
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

function judgeCertificate({ certificate }: Seen, report: MemberReport): Judgement {
  if (!certificate || report.state !== 'serving') return { report, act: 'none' };
  const { missingFor, turn, tried } = certificate;
  const what = 'it does not show the certificate that lies in its folder';
  const tell = (more: string): MemberReport => ({ ...report, detail: `${what}${more}` });
  if (tried && missingFor > TAKEN_MS)
    return { report: tell(', also after it was started anew: look who answers on its ports'), act: 'none' };
  const anew = tell(', as where no file watchers are left: it is started anew in its turn');
  if (!tried && missingFor > turn) return { report: anew, act: 'restart' };
  return { report: missingFor > TAKEN_MS ? anew : report, act: 'none' };
}

function judgeEnded({ now, triedAt, tries, trouble }: Seen): Judgement {
  // what must be put right on this machine is seen by looking, which costs little
  const most = trouble && MENDED_HERE.has(trouble.state) ? 3 : RESTART_MS.length - 1;
  const wait = triedAt + RESTART_MS[Math.min(tries, most)]! - now;
  if (wait <= 0) return { report: trouble ?? { state: 'starting', detail: 'it is being started' }, act: 'start' };
  return { report: trouble ?? { state: 'down', detail: 'it does not run' }, act: 'none' };
}

const seconds = (ms: number): number => Math.round(ms / 1000);
