import { setTimeout as delay } from 'node:timers/promises';
import type { AgentError, AgentErrorCode } from '../errors.ts';
import { certificateTurn, type Judgement, judge, type MemberReport, type Seen } from './judge.ts';
import type { Member, StartOptions } from './member.ts';
import type { MissingCertificate, ShownCertificate } from './shown-certificate.ts';
import type { Trouble } from './trouble.ts';

/** ms between looks, usually and while it comes up */
const LOOK_MS = 2000;
const LOOK_CLOSER_MS = 500;
/** A member that served for this long ended for a new reason. ms */
const SETTLED_MS = 60_000;
/** A member that has not served for this long, while a majority of the others does, is started anew. ms */
const STUCK_MS = 60_000;
/** ms between looks at what a member holds */
const FILL_LOOK_MS = 60_000;

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
  /** looks whether it shows the certificate that it should; where absent it has none */
  readonly certificate?: ShownCertificate;
  /** ms after which a member that does not is started anew; by its id unless told otherwise */
  readonly certificateTurn?: number;
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
  const { stuckAfter = STUCK_MS, certificateTurn: turn = certificateTurn(member.id), log = () => undefined } = options;
  let tries = 0;
  let triedAt = Number.NEGATIVE_INFINITY;
  let quietSince = performance.now();
  let servingSince: number | undefined;
  let failure: Trouble | undefined;
  let answered = false;
  let fill: { readonly at: number; readonly value: number | undefined } | undefined;
  let unwatched = false;
  /** the certificate for which the member was started anew last */
  let startedFor = '';
  let missing: MissingCertificate | undefined;
  await member.takeOver();
  while (!signal.aborted) {
    const { report, act } = await look().then(judge, (error: Error): Judgement => {
      // a disk that fails, a folder that is gone: the next look may find it mended
      return { report: describeFailure(error), act: 'none' };
    });
    if (act === 'restart') {
      log(`warn  member ${member.id}: ${report.detail}`);
      if (missing) startedFor = missing.fingerprint;
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
    if (!answered && (answer?.kind === 'serves' || answer?.kind === 'seeks')) {
      answered = true;
      quietSince = now; // what it took to read its data does not count
    }
    if (serves) {
      servingSince ??= now;
      quietSince = now;
      failure = undefined;
      if (now - servingSince > SETTLED_MS) tries = 0;
    } else servingSince = undefined;
    if (lives) await rotateLog();
    const trouble = serves ? undefined : (failure ?? (await member.trouble()));
    unwatched ||= trouble?.unwatched === true;
    // a damaged folder is told by who renews the certificate
    missing = serves ? await options.certificate?.missing(now).catch(() => undefined) : undefined;
    const concerns = serves
      ? {
          littleRoom: await member.hasLittleRoom(),
          lostFiles: await member.lostItsFiles(),
          ...(member.isOutdated ? { outdated: member.pid! } : {}),
          ...(missing
            ? { certificate: { missingFor: now - missing.since, turn, tried: missing.fingerprint === startedFor } }
            : {}),
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
      const { started, aside } = await member.start({ ...(await options.start?.()), unwatched });
      failure = undefined;
      options.certificate?.started();
      answered = false;
      quietSince = performance.now();
      if (!started) tries--;
      if (aside) log(`warn  member ${member.id}: data that was not its own lies in ${aside} now`);
      return { state: 'starting', detail: 'it is being started' };
    } catch (error) {
      failure = describeFailure(error as Error);
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

/** A failure to start as a state, with what to do. */
export function describeFailure(error: Error): Trouble {
  return { state: FAILURES[(error as AgentError).code] ?? 'down', detail: error.message };
}
