import { randomUUID } from 'node:crypto';
import {
  decodeHead,
  decodeRelease,
  encodeHead,
  encodeRelease,
  type Head,
  type Release,
  standingRelease,
} from '@quorate/model';
import type { CollectedLine } from '../collection.ts';
import type { PublishedLine } from '../commit.ts';
import { StoreError } from '../errors.ts';
import { checkNamed, recordError } from '../format.ts';
import { inLanes } from '../lanes.ts';
import type { CallOptions, Latest } from '../store.ts';
import { headKey, releaseKey } from './keys.ts';
import type { ConditionalObjects, StoredObject } from './objects.ts';

/** What a bundle's object `heads/<bundle>` says, and the tag to replace it by. */
export interface Step {
  readonly etag: string;
  /** undefined while the first release is on its way */
  readonly committed: Committed | undefined;
}

export interface Committed {
  readonly head: Head;
  readonly release: Release;
  /** what no other step of the line has: two steps never have the same bytes, so they never have the same tag */
  readonly mark: string;
  /** another one after each collection: what was seen to be there before may have been set aside since */
  readonly fence?: string;
  /** the oldest release that is kept: from there on to the head's the line has no gap */
  readonly first: number;
  /** a collector removes, or was removing when it ended, the records from this number to below `first` */
  readonly trimmed?: number;
  /** releases from further back that came with this step and have no records of their own yet */
  readonly older?: readonly Release[];
}

/** What one process remembers of all lines. */
export interface Remembered {
  readonly steps: Map<string, Step>;
  readonly askedAt: Map<string, number>;
}

/** A line that has begun holds its mark alone: a UUID and a newline. */
const BEGUN_BYTES = 37;

/** Publishers and collectors that may come in between before a step has to be made. */
const ROUNDS = 100;

/**
 * A bundle's line of releases: one object that holds the head, the release that it names and from where on releases are kept; replacing it is
 * the compare-and-set. Records of older releases are copies of what was committed there.
 */
export class Line implements CollectedLine<Step>, PublishedLine<Step> {
  readonly bundle: string;
  readonly #objects: ConditionalObjects;
  /** the newest step that was read: asking whether it still stands costs little */
  readonly #known: Map<string, Step>;
  /** when each head was asked for last, by the monotonic clock in ms */
  readonly #askedAt: Map<string, number>;

  constructor(objects: ConditionalObjects, bundle: string, { steps, askedAt }: Remembered) {
    this.#objects = objects;
    this.bundle = bundle;
    this.#known = steps;
    this.#askedAt = askedAt;
  }

  /** @returns undefined when the line has not begun @throws StoreError CORRUPT, NEWER_FORMAT */
  async current(options: CallOptions = {}): Promise<Step | undefined> {
    const known = this.#known.get(this.bundle);
    const read = await this.#ask(known, options);
    if (read === 'unchanged') return known;
    if (!read) {
      this.#known.delete(this.bundle);
      return undefined;
    }
    const step = this.#decode(read.bytes.toString('utf8'), read.etag);
    this.#known.set(this.bundle, step);
    return step;
  }

  async #ask(known: Step | undefined, options: CallOptions): Promise<StoredObject | 'unchanged' | undefined> {
    const key = headKey(this.bundle);
    const read = known
      ? await this.#objects.get(key, { ...options, unlike: known.etag })
      : await this.#objects.get(key, options);
    this.#askedAt.set(this.bundle, performance.now());
    return read;
  }

  /**
   * The tag of what stands, without a look at what it says.
   * @param options.within ms: what was read so long ago will do
   * @returns undefined when no release was ever committed
   */
  async tag(options: CallOptions & { readonly within?: number } = {}): Promise<string | undefined> {
    const known = this.#known.get(this.bundle);
    const isFresh = performance.now() - (this.#askedAt.get(this.bundle) ?? -Infinity) < (options.within ?? 0);
    const read = known && isFresh ? 'unchanged' : await this.#ask(known, options);
    if (read === 'unchanged') return known!.committed && known!.etag;
    return read && read.bytes.byteLength !== BEGUN_BYTES ? read.etag : undefined;
  }

  #decode(text: string, etag: string): Step {
    const place = `${this.#objects.url}: ${headKey(this.bundle)}`;
    if (/^[0-9a-f-]{36}\n$/.test(text)) return { etag, committed: undefined };
    const [headText = '', releaseText = '', lineText = '', ...olderTexts] = text.replace(/\n$/, '').split('\n');
    const { bundle } = this;
    try {
      const head = decodeHead(headText);
      const release = decodeRelease(releaseText);
      checkNamed(place, release, { bundle, number: head.release, digest: head.digest });
      const older = olderTexts.map((each) => decodeRelease(each));
      for (const each of older) checkNamed(place, each, { bundle, number: each.number });
      const line = decodeLine(place, lineText, release.number);
      return { etag, committed: { head, release, ...line, ...(older.length > 0 ? { older } : {}) } };
    } catch (error) {
      throw recordError(place, error) ?? error;
    }
  }

  /** From now on a collector's fence meets a first publisher too. */
  async begin(): Promise<void> {
    await this.#objects.ensure(headKey(this.bundle), Buffer.from(`${randomUUID()}\n`));
  }

  /**
   * Puts the next step in the place of `from`.
   * @returns undefined when it is another one now
   * @throws StoreError UNKNOWN_OUTCOME
   */
  async replace(from: Step, to: Omit<Committed, 'mark'> | undefined): Promise<Step | undefined> {
    const mark = randomUUID();
    const bytes = to ? encode({ ...to, mark }) : Buffer.from(`${mark}\n`);
    const etag = await this.#objects.replace(headKey(this.bundle), bytes, from.etag);
    if (etag === undefined) return undefined;
    const step = { etag, committed: to && { ...to, mark } };
    this.#known.set(this.bundle, step);
    return step;
  }

  /** What S3 has answered for is durable. */
  async sync(): Promise<void> {}

  latestOf(step: Step): Latest | undefined {
    return latestOf(step);
  }

  async numbers(): Promise<number[]> {
    return numbersOf(await this.current());
  }

  /** @returns undefined when it was never there or was collected */
  async release(number: number, options: CallOptions = {}): Promise<Release | undefined> {
    const key = releaseKey(this.bundle, number);
    let read = await this.#objects.get(key, options);
    if (!read) {
      const committed = (await this.current(options))?.committed;
      const { release, older = [] } = committed ?? {};
      const found = [release, ...older].find((each) => each?.number === number);
      if (found || !committed || number < committed.first || number > committed.release.number) return found;
      // kept, and no more in the head: it got its record since the first look
      read = await this.#objects.get(key, options);
    }
    if (!read) return undefined;
    const place = `${this.#objects.url}: ${key}`;
    try {
      const release = decodeRelease(read.bytes.toString('utf8'));
      checkNamed(place, release, { bundle: this.bundle, number });
      return release;
    } catch (error) {
      throw recordError(place, error) ?? error;
    }
  }

  /** Gives those releases of a step records of their own that have none: each publisher does it before it builds on the step. */
  async record({ release, older = [] }: Pick<Committed, 'release' | 'older'>): Promise<void> {
    await inLanes([release, ...older], (each) =>
      this.#objects.ensure(releaseKey(this.bundle, each.number), encodeRelease(each)),
    );
  }

  /** The newest step once it holds nothing that somebody else has begun: older releases have records, what was being removed is removed. */
  async settled(): Promise<Step | undefined> {
    for (let round = 0; round < ROUNDS; round++) {
      const step = await this.current();
      if (!step?.committed || (step.committed.trimmed === undefined && !step.committed.older)) return step;
      const { trimmed, older, ...rest } = step.committed;
      if (older) await this.record(step.committed);
      if (trimmed !== undefined) await this.#removeRecords(trimmed, rest.first);
      const next = await this.replace(step, rest);
      if (next) return next;
    }
    throw new StoreError('CONFLICT', `others changed ${this.bundle} again and again: try again at a calmer time`);
  }

  /**
   * Puts the same step again, with another tag: whoever has looked at content before has to look again.
   * @returns false when somebody else was faster
   */
  async fence(from: Step): Promise<boolean> {
    return (await this.replace(from, from.committed && { ...from.committed, fence: randomUUID() })) !== undefined;
  }

  /**
   * Lets the line begin at the newest `keep` releases, oldest gone first for whoever looks; then removes the records.
   * @param least asked for in each round: it and what came after it stays too
   * @returns how many releases that were
   */
  async trim(keep: number, least: () => Promise<number>): Promise<number> {
    for (let round = 0; round < ROUNDS; round++) {
      const step = await this.settled();
      if (!step?.committed) return 0;
      const { committed } = step;
      const newest = committed.release.number - Math.max(1, keep) + 1;
      const needed = Math.min(newest, await least(), standingRelease(committed.head)); // a rollout may go back to that
      const first = Math.max(committed.first, needed);
      if (first === committed.first) return 0;
      await this.record(committed); // the head's own: whoever comes next builds on it
      if (!(await this.replace(step, { ...committed, first, trimmed: committed.first }))) continue;
      await this.settled();
      return first - committed.first;
    }
    throw new StoreError(
      'CONFLICT',
      `publishers of ${this.bundle} were faster: run it again at a calmer time; nothing was lost`,
    );
  }

  async #removeRecords(from: number, to: number): Promise<void> {
    const numbers = Array.from({ length: to - from }, (_, at) => from + at);
    await inLanes(numbers, (number) => this.#objects.delete(releaseKey(this.bundle, number)));
  }
}

function encode({ head, release, mark, fence, first, trimmed, older = [] }: Committed): Buffer {
  const line = {
    mark,
    first,
    ...(fence === undefined ? {} : { fence }),
    ...(trimmed === undefined ? {} : { trimmed }),
  };
  return Buffer.concat([
    encodeHead(head),
    encodeRelease(release),
    Buffer.from(`${JSON.stringify(line)}\n`),
    ...older.map(encodeRelease),
  ]);
}

/** @throws StoreError CORRUPT */
function decodeLine(
  place: string,
  text: string,
  newest: number,
): Pick<Committed, 'mark' | 'fence' | 'first' | 'trimmed'> {
  try {
    const { mark, fence, first, trimmed } = JSON.parse(text) as Record<string, unknown>;
    const isNumber = (value: unknown, most: number): value is number =>
      Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most;
    const isFence = fence === undefined || typeof fence === 'string';
    const isTrimmed = trimmed === undefined || isNumber(trimmed, first as number);
    if (typeof mark === 'string' && isNumber(first, newest) && isFence && isTrimmed)
      return { mark, first, ...(fence === undefined ? {} : { fence }), ...(trimmed === undefined ? {} : { trimmed }) };
  } catch {
    // told below, as any other line that nobody of ours wrote
  }
  throw new StoreError('CORRUPT', `${place}: its third line cannot be read: somebody wrote to the store by hand`);
}

export function latestOf(step: Step | undefined): Latest | undefined {
  if (!step?.committed) return undefined;
  const { head, release, mark } = step.committed;
  return { head: { ...head, version: mark }, release };
}

export function numbersOf(step: Step | undefined): number[] {
  if (!step?.committed) return [];
  const { first, release } = step.committed;
  return Array.from({ length: release.number - first + 1 }, (_, at) => first + at);
}
