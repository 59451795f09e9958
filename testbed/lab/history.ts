/** What a publisher did, in the order in which it did it. `text` is the content that it published, different each time. */
export type Deed =
  | { readonly kind: 'attempt'; readonly by: string; readonly text: string; readonly base: number; readonly at: number }
  | {
      readonly kind: 'acknowledged';
      readonly by: string;
      readonly text: string;
      readonly release: number;
      readonly digest: string;
      readonly at: number;
    }
  /** `code` is a StoreError's: CONFLICT and UNREACHABLE say that nothing was changed, UNKNOWN_OUTCOME that nobody knows */
  | {
      readonly kind: 'refused';
      readonly by: string;
      readonly text: string;
      readonly code: string;
      readonly at: number;
    };

/** A release of the line as the store has it at the end, read with all of its content. */
export interface Kept {
  readonly number: number;
  readonly digest: string;
  /** number of the release that it was made from */
  readonly parent: number;
  /** what each file of it holds; one text where it is whole */
  readonly texts: readonly string[];
}

/** What an application on one machine read from the native paths, in order, over all of the machine's lives. */
export interface Reading {
  readonly machine: string;
  readonly texts: readonly string[];
  /** reads that showed two releases at once, or none after there was one */
  readonly faults: readonly string[];
}

/** All that is known of one bundle when everything is over. */
export interface History {
  readonly deeds: readonly Deed[];
  /** ascending */
  readonly line: readonly Kept[];
  readonly readings: readonly Reading[];
}

/** What of the promises P1 to P3 a history breaks, in words; nothing when it keeps them. Pure. */
export function broken(history: History): string[] {
  return [...atomic(history), ...durable(history), ...ordered(history), ...explained(history), ...read(history)];
}

/** P1: an application sees exactly one release. */
function atomic({ readings, line }: History): string[] {
  const mixed = readings.flatMap(({ machine, faults }) => faults.map((fault) => `P1: ${machine} read ${fault}`));
  const torn = line
    .filter(({ texts }) => new Set(texts).size !== 1)
    .map(({ number, texts }) => `P1: release ${number} holds ${texts.join(' and ')}`);
  return [...mixed, ...torn];
}

/** P2: what was acknowledged is there, as it was acknowledged. */
function durable({ deeds, line }: History): string[] {
  const kept = new Map(line.map((release) => [release.number, release]));
  return deeds.flatMap((deed) => {
    if (deed.kind !== 'acknowledged') return [];
    const release = kept.get(deed.release);
    const what = `release ${deed.release}, acknowledged to ${deed.by}`;
    if (!release) return [`P2: ${what}, is lost`];
    return release.digest === deed.digest && release.texts[0] === deed.text
      ? []
      : [`P2: ${what}, holds something else now`];
  });
}

/** P3: one line, each release made from the one below it, and from the base that its publisher saw. */
function ordered({ deeds, line }: History): string[] {
  const faults: string[] = [];
  for (const [at, release] of line.entries()) {
    if (release.number !== at + 1) faults.push(`P3: release ${release.number} stands in place ${at + 1} of the line`);
    else if (release.parent !== at)
      faults.push(`P3: release ${release.number} was made from release ${release.parent}`);
  }
  const numbers = new Map(line.map(({ number, texts }) => [texts[0]!, number]));
  const twice = line.filter(({ number, texts }) => numbers.get(texts[0]!) !== number);
  for (const { number, texts } of twice)
    faults.push(`P3: release ${number} is in the line twice: also as ${numbers.get(texts[0]!)}`);
  for (const deed of deeds) {
    const number = deed.kind === 'attempt' ? numbers.get(deed.text) : undefined;
    if (deed.kind === 'attempt' && number !== undefined && number !== deed.base + 1)
      faults.push(`P3: ${deed.by} made release ${number} from release ${deed.base}`);
  }
  return faults;
}

/** Nothing comes from nowhere, and what was refused for sure is not there. */
function explained({ deeds, line }: History): string[] {
  const attempts = new Set(deeds.filter(({ kind }) => kind === 'attempt').map(({ text }) => text));
  const refused = new Map(
    deeds.flatMap((deed) => (deed.kind === 'refused' && deed.code !== 'UNKNOWN_OUTCOME' ? [[deed.text, deed]] : [])),
  );
  return line.flatMap(({ number, texts: [text = ''] }) => {
    if (number > 1 && !attempts.has(text)) return [`P3: nobody made release ${number} (${text})`];
    const deed = refused.get(text);
    return deed ? [`P2: release ${number} was refused to ${deed.by} (${deed.code}), and is there`] : [];
  });
}

/** P3 as applications see it: only what was published, and never backwards. */
function read({ readings, line }: History): string[] {
  const numbers = new Map(line.map(({ number, texts }) => [texts[0]!, number]));
  return readings.flatMap(({ machine, texts }) => {
    let newest = 0;
    return texts.flatMap((text) => {
      const number = numbers.get(text);
      if (number === undefined) return [`P2: ${machine} had ${text} live, which is in no release`];
      const back = number < newest ? [`P3: ${machine} went back from release ${newest} to ${number}`] : [];
      newest = number;
      return back;
    });
  });
}

/**
 * ms after `from` until so many publishers had something acknowledged that they attempted after it; undefined while they have not.
 * @param publishers 1 unless said: the first that gets through
 */
export function refusedFor(deeds: readonly Deed[], from: number, publishers = 1): number | undefined {
  const begun = new Map(deeds.flatMap((deed) => (deed.kind === 'attempt' ? [[deed.text, deed.at]] : [])));
  const first = new Map<string, number>();
  for (const deed of deeds)
    if (deed.kind === 'acknowledged' && (begun.get(deed.text) ?? 0) >= from && !first.has(deed.by))
      first.set(deed.by, deed.at - from);
  return [...first.values()].toSorted((a, b) => a - b)[publishers - 1];
}
