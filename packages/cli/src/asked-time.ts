import { CliError, EXIT } from './exit.ts';

/** A time that a person asks about. */
export interface AskedTime {
  /** ms since 1970, against which recorded times are held; without a bound for `now`, whatever anybody's clock says */
  readonly upTo: number;
  /** ms since 1970, for people */
  readonly shown: number;
  /** reckoned from this machine's clock */
  readonly isRelative: boolean;
}

/** ms; no other, since a month has no length */
const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const SPAN = /^(\d+) ?((?:second|minute|hour|day|week)s?|sec|min|[smhdw]) ?/;

/**
 * A time as people write it: `2026-11-25 12:31`, in this machine's time zone unless one is said; `now`, `today`, `yesterday` (where they begin); `-2h`,
 * `-1h30m`, `2 days ago`.
 * @param now this machine's clock, ms since 1970
 * @throws CliError usage
 */
export function parseTime(text: string, now: number): AskedTime {
  const words = text.trim().toLowerCase();
  if (words === 'now') return { upTo: Number.POSITIVE_INFINITY, shown: now, isRelative: true };
  const relative = words === 'today' ? midnight(now, 0) : words === 'yesterday' ? midnight(now, 1) : before(words, now);
  if (relative !== undefined) return { upTo: relative, shown: relative, isRelative: true };
  const time = written(text.trim());
  if (time !== undefined) return { upTo: time, shown: time, isRelative: false };
  throw new CliError(
    EXIT.usage,
    `${JSON.stringify(text)} is no time of the past`,
    "write it like '2026-11-25 12:31', 2026-11-25T12:31:07Z or 2026-11-25 for its beginning; or now, today, yesterday, -2h, -1h30m, '3 days ago'",
  );
}

function midnight(now: number, daysBack: number): number {
  const day = new Date(now);
  day.setHours(0, 0, 0, 0);
  return day.setDate(day.getDate() - daysBack); // a day may have 23 or 25 hours
}

/** @returns undefined for what is no span before now */
function before(words: string, now: number): number | undefined {
  const span = /^- ?(.+)$/.exec(words)?.[1] ?? /^(.+) ago$/.exec(words)?.[1];
  if (span === undefined) return undefined;
  let [ms, rest] = [0, span];
  while (rest !== '') {
    const part = SPAN.exec(rest);
    if (!part) return undefined;
    ms += Number(part[1]) * UNITS[part[2]![0]!]!;
    rest = rest.slice(part[0].length);
  }
  return ms <= now ? now - ms : undefined;
}

function written(text: string): number | undefined {
  const shape = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(Z|[+-]\d\d:\d\d)?)?$/.exec(text);
  if (!shape) return undefined;
  const time = Date.parse(`${shape[1]}T${shape[2] ?? '00:00'}${shape[3] ?? ''}`);
  const day = Number(shape[1]!.slice(8));
  // Date.parse makes the 30th of February one of March
  return !Number.isNaN(time) && new Date(`${shape[1]}T00:00Z`).getUTCDate() === day ? time : undefined;
}
