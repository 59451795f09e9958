/** How long this client waits for what, in ms: the one place that decides it, by what was measured and nothing else. */

const LONGEST_IDLE = 10_000;
const SHORTEST_PAUSE = 10;
const LONGEST_PAUSE = 2_000;
/** Of the time that the search has taken. */
const PAUSE_SHARE = 1 / 6;
const CONTACT = 2_000;
const LEAST_CONTACT = 500;
const LONGEST_GRANT = 60_000;
const HEAD_START = 250;
const USUAL_TIMES = 4;
const ASKED_SHARE = 1 / 5;
const DOUBT = 1_000;
/** Linux sends a lost packet of a new connection again after a second. */
const KNOCK = 1_500;

/** Attempts to open one session that are under way at once, at most: one at a server that is gone, one at a slow one, one at a good one. */
export const MOST_ATTEMPTS = 3;

/** Without sending, after which a ping is due. */
export function idleFor(sessionTimeout: number): number {
  return Math.min(sessionTimeout / 3, LONGEST_IDLE);
}

/** Without hearing a byte, after which a server counts as dead whatever its network says: a third of the session is left to find another. */
export function silenceOf(sessionTimeout: number): number {
  return (sessionTimeout * 2) / 3;
}

/**
 * With something sent and not a byte heard since, after which it is asked whether the server's machine can be reached at all; `asked` times
 * it could, and the silence went on.
 */
export function doubtAfter(sessionTimeout: number, asked: number): number {
  return Math.min(DOUBT, sessionTimeout / 10) * 2 ** asked;
}

/** That a machine has to take a new connection: its kernel does, however busy or stopped the server is. */
export function knockFor(sessionTimeout: number): number {
  return Math.min(KNOCK, (sessionTimeout * 3) / 20);
}

/**
 * After an attempt that failed, when none has succeeded for `searching`. It grows with that time, so that the end of an outage is missed by a sixth of
 * it at most, and a long one costs the servers few attempts; a random half is taken off, so that clients do not come in step.
 */
export function pauseAfter(searching: number, random: () => number): number {
  const longest = Math.min(Math.max(searching * PAUSE_SHARE, SHORTEST_PAUSE), LONGEST_PAUSE);
  return longest * (0.5 + random() / 2);
}

/**
 * That the latest of `underWay` attempts has before another server is tried beside it: more for each that is under way, and where connections have taken
 * `usual` to be made, so that many clients, or a busy machine, are not made busier.
 */
export function headStart(underWay: number, usual: number, random: () => number): number {
  return Math.max(HEAD_START, usual * USUAL_TIMES) * 2 ** (underWay - 1) * (0.8 + random() * 0.4);
}

/** That a server has, once the session was asked of it, before it is asked of another: asked of both, it may move to the one and be used on the other. */
export function askedHeadStart(sessionTimeout: number, random: () => number): number {
  return sessionTimeout * ASKED_SHARE * (0.8 + random() * 0.4);
}

/** For a machine to take the connection: every server can be tried once in two thirds of the session. */
export function contactWithin(sessionTimeout: number, servers: number): number {
  const share = silenceOf(sessionTimeout) / Math.max(1, Math.min(servers, 4));
  return Math.max(LEAST_CONTACT, Math.min(share, CONTACT));
}

/**
 * For a server whose machine has taken the connection to grant the session. It is busy, and who leaves it and comes again makes it busier: so it
 * doubles with each round of the whole list that was in vain, until as many clients as there may be are served.
 */
export function grantWithin(sessionTimeout: number, round: number): number {
  return Math.min(Math.max(LEAST_CONTACT, silenceOf(sessionTimeout)) * 2 ** Math.min(round, 10), LONGEST_GRANT);
}
