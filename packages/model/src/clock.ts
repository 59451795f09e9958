import * as v from 'valibot';

/**
 * How fast two machines' clocks may part: this many ms in each ms (200 ppm, 12 ms a minute). Among 20,000 hosts the median oscillator was
 * 78 ppm wrong (D. L. Mills, "Computer Network Time Synchronization", doi 10.1201/9781420006155-16: two of them in opposite directions part at 156 ppm), and
 * Spanner allows its machines 200 ppm (Corbett et al., OSDI 2012, section 3). Clocks that part faster, as where one is being slewed,
 * are noticed when a new sample contradicts an old one.
 */
export const CLOCK_DRIFT = 200e-6;

/** ms after which an instance at rest measures again. A fleet of 1,000 then costs its leader 3.3 small writes a second. */
export const CLOCK_REST_MS = 300_000;
/** ms after which it does when what it shows is not what it knows: it has just begun, the leader changed, or a clock was set. */
export const CLOCK_SOON_MS = 5000;
/** Seconds that a clock is off from which on people are warned, unless set. Quorate itself needs no bound. */
export const CLOCK_WARN_SECONDS = 1;
/** What is shown holds for this much longer than the rest, so that instances need not measure at the same moment. */
const CLOCK_SPREAD = 1.25;

/** A look at both clocks of this machine, in ms: the wall clock, read between two readings of the monotonic one. */
export interface ClockReading {
  readonly from: number;
  /** whole ms since 1970, cut off as `Date.now` does */
  readonly wall: number;
  readonly to: number;
}

/** What one write to the ensemble tells about clocks. */
export interface ClockExchange {
  /** before the write was sent */
  readonly sent: ClockReading;
  /** after its reply came */
  readonly received: ClockReading;
  /** the leader's wall clock at some moment between them, whole ms since 1970 cut off */
  readonly leader: number;
  /** the leader's number: another leader is another clock. The upper half of the write's zxid. */
  readonly epoch: number;
}

/** This machine's wall clock minus the leader's as it was at a moment, in ms. The truth lies within `offset` ± `error`. */
export interface ClockSample {
  readonly offset: number;
  readonly error: number;
  readonly epoch: number;
  readonly at: ClockReading;
}

/** What an instance shows: the truth lies within `offset` ± `error` until it measures again. */
export interface ClockOffset {
  /** this machine's wall clock minus the leader's, in ms */
  readonly offset: number;
  /** ms */
  readonly error: number;
  /** the leader that it was measured against */
  readonly epoch: number;
}

export const ClockSchema = v.object({ offset: v.number(), error: v.number(), epoch: v.number() });

/**
 * The better of what was known and what an exchange tells.
 * @returns undefined when this machine's clock was set during the exchange: nothing is known then
 */
export function learnClock(known: ClockSample | undefined, exchange: ClockExchange): ClockSample | undefined {
  const fresh = sampleOf(exchange);
  const young = offsetAt(fresh, exchange.received);
  if (!young) return undefined;
  const old = known?.epoch === fresh.epoch ? offsetAt(known, exchange.received) : undefined;
  if (!old) return fresh;
  const contradicted = Math.abs(old.offset - young.offset) > old.error + young.error; // the leader's clock was set
  return contradicted || young.error <= old.error ? fresh : known;
}

/** The leader read its clock between `sent` and `received`. Each wall clock is up to 1 ms past its whole ms. */
function sampleOf({ sent, received, leader, epoch }: ClockExchange): ClockSample {
  const trip = received.from - sent.from;
  return { offset: sent.wall + trip / 2 - leader, error: trip / 2 + 1, epoch, at: sent };
}

/**
 * What a sample is worth now: less, the older it is.
 * @returns undefined when this machine's clock was set since
 */
export function offsetAt({ offset, error, epoch, at }: ClockSample, now: ClockReading): ClockOffset | undefined {
  if (wasSet(at, now)) return undefined;
  return { offset, error: error + unseenStep(at, now) + CLOCK_DRIFT * (now.to - at.from), epoch };
}

/** Whether the wall clock was moved against the monotonic one between two looks. A machine that was asleep looks the same. */
function wasSet(before: ClockReading, after: ClockReading): boolean {
  const moved = after.wall - before.wall;
  // the wall clock may have gone on by up to 1 ms more or less than its whole ms say
  return moved - 1 > after.to - before.from || moved + 1 < after.from - before.to;
}

/** What a step that two looks cannot tell from rounding adds to a sample's error, in ms. 1, as the sample's own has the other 1 of two roundings. */
function unseenStep(before: ClockReading, after: ClockReading): number {
  return 1 + (before.to - before.from) + (after.to - after.from);
}

/** What is shown until the next measurement, with the error that it may have grown to by then. */
export function clockToShow(known: ClockSample | undefined, now: ClockReading): ClockOffset | undefined {
  const offset = known && offsetAt(known, now);
  return offset && { ...offset, error: offset.error + CLOCK_DRIFT * CLOCK_REST_MS * CLOCK_SPREAD };
}

/**
 * After how many ms since the last report an instance measures again.
 * @param shown what the last report showed
 * @param known what it would show now
 * @param chance 0 to 1, drawn once for each report: a fleet does not measure in step
 */
export function clockDueAfter(shown: ClockOffset | undefined, known: ClockOffset | undefined, chance: number): number {
  const ms = known && shown && tellsTheSame(shown, known) ? CLOCK_REST_MS : CLOCK_SOON_MS;
  return ms * (1 + (CLOCK_SPREAD - 1) * chance);
}

function tellsTheSame(shown: ClockOffset, known: ClockOffset): boolean {
  return (
    shown.epoch === known.epoch &&
    Math.abs(shown.offset - known.offset) <= shown.error &&
    shown.error <= 2 * known.error
  );
}

/** How far off a clock surely is, in ms; negative when it is behind, 0 when it may be right. */
export function surelyOff({ offset, error }: ClockOffset): number {
  const off = Math.abs(offset) - error;
  return off > 0 ? Math.sign(offset) * off : 0;
}
