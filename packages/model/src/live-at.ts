/** When a release was made, by its publisher's clock. */
export interface RecordedTime {
  readonly number: number;
  /** ISO 8601 */
  readonly time: string;
}

export interface LiveAt {
  /** the newest release, in the order of the line, whose recorded time is not after the asked one */
  readonly number?: number;
  /** releases whose recorded time is before that of the release below: there the publishers' clocks disagree */
  readonly backwards: readonly number[];
}

/**
 * Which release was live at a time. The order is that of the line; the recorded times are only held against the time that a person asks for.
 * @param line in the order of their numbers
 * @param time ms since 1970
 */
export function liveAt(line: readonly RecordedTime[], time: number): LiveAt {
  const backwards: number[] = [];
  let number: number | undefined;
  let before = Number.NEGATIVE_INFINITY;
  for (const release of line) {
    const recorded = Date.parse(release.time);
    if (Number.isNaN(recorded)) continue; // what no publisher of ours has written
    if (recorded < before) backwards.push(release.number);
    before = recorded;
    if (recorded <= time) number = release.number;
  }
  return { ...(number === undefined ? {} : { number }), backwards };
}
