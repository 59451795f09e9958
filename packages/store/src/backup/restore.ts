import type { Release, Rollout, Tag } from '@quorate/model';
import { StoreError } from '../errors.ts';
import type { BlobSource, CallOptions, Latest, Store, UploadProgress, VersionedHead } from '../store.ts';
import { addTags } from '../tags.ts';
import type { BackedUpLine, Backup } from './reader.ts';

/** What a restore does about one bundle. */
export interface LineToRestore {
  readonly bundle: string;
  /** `new`: not there yet; `behind`: the store's line goes on as in the backup; `same`; `ahead`: the store's line goes on beyond the backup's */
  readonly store: 'new' | 'behind' | 'same' | 'ahead';
  /** where the store's head is, 0 for nowhere */
  readonly head: number;
  /** newest first */
  readonly releases: readonly Release[];
  /** that of the backup's head: what was taken back does not come back by a restore */
  readonly rollout?: Rollout;
  readonly tags: readonly Tag[];
  readonly expected: VersionedHead | undefined;
}

/** What a bundle's line looks like where it is to be restored. */
export interface Standing {
  readonly latest: Latest;
  /** the releases that both have numbers of, as they are there: newest first */
  readonly common: readonly Release[];
}

/**
 * Whether a backup's line and a store's are one.
 * @throws StoreError DIVERGED that names what differs
 */
export function planLine({ bundle, releases, ...more }: BackedUpLine, standing: Standing | undefined): LineToRestore {
  if (!standing) return { bundle, store: 'new', head: 0, releases, ...more, expected: undefined };
  const { latest, common } = standing;
  const head = latest.release.number;
  const newest = releases[0]!.number;
  const ours = (number: number): Release => releases[newest - number]!;
  if (common.length === 0) throw new StoreError('DIVERGED', apart(bundle, releases, latest.release));
  const other = common.findLast((release) => !isSame(release, ours(release.number)));
  if (other) throw new StoreError('DIVERGED', parted(ours(other.number), other));
  const store = head === newest ? 'same' : head < newest ? 'behind' : 'ahead';
  return { bundle, store, head, releases, ...more, expected: latest.head };
}

const isSame = (a: Release, b: Release): boolean => a.id === b.id && a.digest === b.digest;

function parted(ours: Release, theirs: Release): string {
  const told = ({ author, time, message }: Release): string => `by ${author} at ${time}: ${message || '(no message)'}`;
  return `${ours.bundle} has another release ${ours.number} in the store\n    in the backup ${told(ours)}\n    in the store  ${told(theirs)}`;
}

function apart(bundle: string, releases: readonly Release[], head: Release): string {
  const range = `${releases.at(-1)!.number} to ${releases[0]!.number}`;
  return `${bundle} has no release in common: the backup holds ${range}, and the store, at ${head.number}, keeps none of them; whether they are one line cannot be told`;
}

/**
 * Compares a backup with a store. Nothing is written.
 * @param only the bundles that are wanted; all unless given
 * @throws StoreError DIVERGED when any bundle's lines differ; NOT_FOUND when a wanted one is not in the backup
 */
export async function planRestore(
  store: Store,
  backup: Backup,
  only: readonly string[] = [],
  options: CallOptions = {},
): Promise<LineToRestore[]> {
  const absent = only.find((name) => !backup.lines.some(({ bundle }) => bundle === name));
  if (absent !== undefined) {
    const there = backup.lines.map(({ bundle }) => bundle).join(', ');
    throw new StoreError('NOT_FOUND', `there is no bundle ${absent} in ${backup.name}: it holds ${there || 'none'}`);
  }
  const plans: LineToRestore[] = [];
  const faults: string[] = [];
  for (const line of backup.lines) {
    if (only.length > 0 && !only.includes(line.bundle)) continue;
    try {
      plans.push(planLine(line, await standingOf(store, line, options)));
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'DIVERGED')) throw error;
      faults.push(`  ${error.message}`);
    }
  }
  if (faults.length === 0) return plans;
  throw new StoreError('DIVERGED', `the backup and ${store.url} differ; nothing was restored:\n${faults.join('\n')}`);
}

async function standingOf(store: Store, line: BackedUpLine, options: CallOptions): Promise<Standing | undefined> {
  const latest = await store.latest(line.bundle, options);
  if (!latest) return undefined;
  const kept = new Set([latest.release.number, ...(await store.releases(line.bundle, options))]);
  const common: Release[] = [];
  for (const { number } of line.releases) {
    const release = kept.has(number) ? await store.release(line.bundle, number, options) : undefined;
    if (release) common.push(release);
  }
  return { latest, common };
}

/** Releases and bytes of one call to the store: where a restore was interrupted, this much may be looked at again. */
const AT_ONCE = { releases: 64, bytes: 64 * 1024 * 1024 };

/** One call to the store. */
type Step = { readonly held: readonly BlobSource[]; run(progress: UploadProgress): Promise<unknown> };

/**
 * Brings lines back: of each bundle first its newest release, in one step from where the head was, then what came before, downwards. Numbers
 * and records stay as they were; last their tags, but for those whose names are given there. What is there already is left alone; an interrupted restore is continued by the same again.
 * @throws StoreError CONFLICT when publishers or another restore came in between
 */
export async function restore(
  store: Store,
  backup: Backup,
  lines: readonly LineToRestore[],
  { signal, progress }: CallOptions & { readonly progress?: UploadProgress } = {},
): Promise<void> {
  const options = signal ? { signal } : {};
  const heads = lines.filter(isMoved).map(({ releases: [release], expected, rollout }): Step => {
    const held = backup.held([release!]);
    return {
      held,
      run: (told) =>
        store.publish(
          { release: release!, expected, added: held, ...(rollout ? { rollout } : {}) },
          { ...options, progress: told },
        ),
    };
  });
  const histories = lines.flatMap((line) =>
    slices(backup, line).map(({ releases, held }): Step => {
      const what = { bundle: line.bundle, releases, held };
      return { held, run: (told) => store.backfill(what, { ...options, progress: told }) };
    }),
  );
  const steps = [...heads, ...histories];
  const blobs = steps.flatMap(({ held }) => held);
  const all = { blobs: blobs.length, bytes: blobs.reduce((sum, { size }) => sum + size, 0) };
  const before = { blobs: 0, bytes: 0 };
  for (const { held, run } of steps) {
    signal?.throwIfAborted();
    await run((done) => progress?.({ blobs: before.blobs + done.blobs, bytes: before.bytes + done.bytes }, all));
    before.blobs += held.length;
    before.bytes += held.reduce((sum, { size }) => sum + size, 0);
  }
  for (const { bundle, tags } of lines) await addTags(store, bundle, tags, options);
  progress?.(all, all);
}

/** Whether a bundle's head will move. */
export const isMoved = ({ store }: LineToRestore): boolean => store === 'new' || store === 'behind';

/**
 * What comes after the head, in parts, each with the content that no part before it has. Releases that are there are among them: what they
 * lack is brought back too.
 */
function slices(backup: Backup, line: LineToRestore): { releases: Release[]; held: BlobSource[] }[] {
  const moved = isMoved(line);
  const seen = new Set(moved ? backup.held(line.releases.slice(0, 1)).map(({ sha256 }) => sha256) : []);
  const found: { releases: Release[]; held: BlobSource[] }[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const release of moved ? line.releases.slice(1) : line.releases) {
    const held = backup.held([release]).filter(({ sha256 }) => !seen.has(sha256));
    for (const { sha256 } of held) seen.add(sha256);
    let slice = found.at(-1);
    if (!slice || slice.releases.length === AT_ONCE.releases || bytes > AT_ONCE.bytes) {
      slice = { releases: [], held: [] };
      found.push(slice);
      bytes = 0;
    }
    slice.releases.push(release);
    slice.held.push(...held);
    bytes += held.reduce((sum, { size }) => sum + size, 0);
  }
  return found;
}
