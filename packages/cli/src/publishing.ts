import type { KeyObject } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { archiveState } from '@quorate/agent';
import {
  type BundleDefinition,
  describeStep,
  diffManifests,
  type FileEntry,
  type Manifest,
  type Release,
  type Strategy,
  standingRelease,
} from '@quorate/model';
import {
  checkNotUnderWay,
  type Latest,
  mustLatest,
  mustRelease,
  publishManifest,
  type RolloutWish,
  readManifest,
  type Store,
  StoreError,
} from '@quorate/store';
import { mergeOnto, type OpenConflict } from '@quorate/store/merge';
import { authorOf, type Context, releaseSide } from './context.ts';
import { CliError, EXIT } from './exit.ts';
import { judgeHere } from './judging.ts';
import { messageFor } from './message.ts';
import { confirm } from './output/ask.ts';
import { renderDiff, summarize } from './output/diff.ts';
import { paint } from './output/style.ts';
import { followRollout } from './rollouts.ts';
import { Vote, type VoteFlags } from './voting.ts';
import { WAIT_SECONDS, waitForFleet } from './waiting.ts';

/** A set of files that somebody wants to make the next release. */
export interface Working {
  readonly manifest: Manifest;
  readonly definition: BundleDefinition;
  read(sha256: string): Promise<Uint8Array>;
  /** told of the release that holds exactly this set */
  settle?(release: Release): Promise<void>;
}

/** How a release goes out. */
export interface RolloutFlags {
  readonly strategy?: Strategy | 'now';
  readonly supersede?: boolean;
}

/** Of the flags, what the store is asked for. */
export const wishOf = ({ strategy, supersede }: RolloutFlags): RolloutWish => ({
  ...(strategy ? { strategy } : {}),
  ...(supersede ? { supersede } : {}),
});

export interface PublishFlags extends VoteFlags, RolloutFlags {
  readonly message?: string;
  readonly author?: string;
  readonly rebase?: boolean;
  /** lines that stand below the message */
  readonly origin?: readonly string[];
  /** the key that it is signed with */
  readonly sign?: KeyObject | undefined;
  /** seconds */
  readonly wait?: number;
}

/** Shows what would change, asks, publishes, and waits where asked to. @returns the exit code */
export async function publishWorking(
  context: Context,
  base: Release,
  working: Working,
  flags: PublishFlags,
): Promise<number> {
  const store = await context.store();
  const vote = new Vote(context, store, flags, flags.wait !== undefined);
  const { bundle } = base;
  const head = await mustLatest(store, bundle);
  checkNotUnderWay(bundle, head, wishOf(flags));
  const live = await standing(store, head);
  const moved = head.release.number !== base.number && live.number !== base.number;
  if (moved && (await isUnchanged(store, base, working))) return nothingToPublish(context, store, base);
  const ready = moved
    ? await rebased(store, base, { ...head, release: live }, working, flags.rebase ?? false)
    : working;
  const why = messageFor(bundle, flags.message, '', head.release.definition, ready.definition);
  const message = [why, (flags.origin ?? []).join('\n')].filter((part) => part !== '').join('\n\n');
  const before = await releaseSide(store, live);
  const after = {
    name: 'new',
    manifest: ready.manifest,
    definition: ready.definition,
    read: (file: FileEntry) => ready.read(file.sha256),
  };
  const diff = await renderDiff(before, after);
  if (diff === '') return nothingToPublish(context, store, live);
  if (!context.json) process.stdout.write(`${diff}\n`);
  await judgeHere(context, bundle, ready);
  const what = summarize(before.manifest, after.manifest) || 'definition';
  if (!(await confirm(`Publish this as the next release of ${bundle} (${what})?`, context.yes))) {
    context.say('nothing was published');
    return EXIT.failed;
  }
  const author = authorOf(flags.author);
  const made = {
    bundle,
    base: head,
    ...ready,
    read: (hash: string) => ready.read(hash),
    author,
    message,
    rollout: wishOf(flags),
  };
  let latest: Latest;
  try {
    latest = await vote.decide(bundle, (options) => publishManifest(store, made, { ...options, sign: flags.sign }));
  } catch (error) {
    if (!(error instanceof StoreError && error.code === 'CONFLICT')) throw error;
    const stands = (await mustLatest(store, bundle)).release;
    if (!flags.rebase || stands.number === head.release.number)
      throw await conflict(store, bundle, head.release, error);
    context.say(`release ${stands.number} by ${stands.author} came first; merging again`);
    return publishWorking(context, base, working, flags);
  }
  await ready.settle?.(latest.release);
  return announce(context, store, latest, vote, flags.wait);
}

/** The release that the fleet runs, or goes back to: where the head's was taken back, the one before. */
export async function standing(store: Store, { head, release }: Latest): Promise<Release> {
  const number = standingRelease(head);
  return number === release.number ? release : mustRelease(store, release.bundle, number);
}

async function isUnchanged(store: Store, base: Release, { manifest, definition }: Working): Promise<boolean> {
  return (
    JSON.stringify(definition) === JSON.stringify(base.definition) &&
    diffManifests(await readManifest(store, base), manifest).length === 0
  );
}

/**
 * @returns the exit code: it is as it was wanted
 * @throws StoreError NOT_ARCHIVED when it was never acknowledged: whoever publishes again must not take it for safe
 */
export async function nothingToPublish(context: Context, store: Store, release: Release): Promise<number> {
  await store.ensemble?.archived(release);
  const { bundle, number } = release;
  context.print(
    { bundle, release: number, published: false },
    () => `nothing to publish: this is what release ${number} of ${bundle} holds already`,
  );
  return EXIT.done;
}

/** Tells of a release that was made, and waits for the fleet where asked to. @returns the exit code */
export async function announce(
  context: Context,
  store: Store,
  { head, release }: Latest,
  vote: Vote,
  wait: number | undefined,
): Promise<number> {
  const { bundle, number, digest } = release;
  const made = { bundle, release: number, digest, published: true, vote: vote.json };
  const told = `${paint('green', '✓')} ${bundle} release ${number} is published (${vote.outcome})`;
  const { rollout } = head;
  // without sessions nobody can be elected to lead it
  const leads = rollout !== undefined && !store.capabilities.sessions;
  const out = rollout ? `; ${describeStep(rollout)} first` : '';
  if (wait === undefined && !leads) {
    context.print({ ...made, ...(rollout ? { rollout } : {}) }, () => `${told}${out}`);
    return EXIT.done;
  }
  if (rollout) {
    context.tell(
      { event: 'published', bundle, release: number },
      `${told}${out}; ${leads ? 'this command leads its rollout, since nobody else can in this store' : 'waiting for its end'}`,
    );
    const limitMs = wait === undefined || wait === WAIT_SECONDS ? undefined : wait * 1000;
    const followed = await followRollout(context, store, { bundle, release: number }, { leads, limitMs });
    if (context.json) context.print({ ...made, rollout: followed.rollout }, () => '');
    return followed.exit;
  }
  context.tell({ event: 'published', bundle, release: number }, `${told}; waiting for the fleet`);
  const { instances, exit } = await waitForFleet(context, store, bundle, number, wait!);
  if (context.json) context.print({ ...made, instances }, () => '');
  return exit;
}

/** Another publisher was first: what came between, in words. */
async function conflict(store: Store, bundle: string, base: Release, cause?: unknown): Promise<CliError> {
  const lines: string[] = [];
  const head = (await mustLatest(store, bundle)).release;
  for (let number = base.number + 1; number <= head.number; number++) {
    const release = await store.release(bundle, number);
    if (!release) continue;
    lines.push(`  release ${number} by ${release.author}: ${release.message || '(no message)'}`);
    const parent = await store.release(bundle, release.parent);
    const changes = diffManifests(parent ? await readManifest(store, parent) : [], await readManifest(store, release));
    if (parent && !isDeepStrictEqual(parent.definition, release.definition)) lines.push('    the definition');
    for (const { path } of changes.slice(0, 10)) lines.push(`    ${path}`);
    if (changes.length > 10) lines.push(`    and ${changes.length - 10} more`);
  }
  const message = `${bundle} has moved on from release ${base.number} to ${head.number}; nothing was published. What came between:\n${lines.join('\n')}`;
  return new CliError(
    EXIT.conflict,
    message,
    'publish again with --rebase to merge your change onto it, or look at it with `quorate diff` and abandon yours',
    { cause },
  );
}

/** The working set merged onto what came in meanwhile. @throws CliError conflict, with markers for what only a person can settle */
export async function rebased(
  store: Store,
  base: Release,
  head: Latest,
  working: Working,
  allowed: boolean,
): Promise<Working> {
  if (!allowed) throw await conflict(store, base.bundle, base);
  const merged = await mergeOnto(store, base, head, working);
  if (!('open' in merged)) return merged;
  const { number } = head.release;
  throw new CliError(
    EXIT.conflict,
    `your change to ${base.bundle} and release ${number} changed the same places; nothing was published:\n${merged.open.map(describeConflict).join('\n')}`,
    `take release ${number} (quorate show ${base.bundle} --to FOLDER), make the change there, and publish that folder`,
  );
}

function describeConflict({ path, done, text }: OpenConflict): string {
  if (done) return `  ${path}: ${done.ours} by you, ${done.theirs} by the other`;
  return text === undefined
    ? `  ${path}: a binary file that both changed`
    : `  ${path}:\n${text.replace(/^/gm, '    ')}`;
}

/** The release that a working set was made from. */
export async function baseRelease(store: Store, bundle: string, number: number | undefined): Promise<Release> {
  if (!(await store.latest(bundle))) await mustBeOpen(store);
  if (number === undefined) return standing(store, await mustLatest(store, bundle));
  await mustLatest(store, bundle);
  return mustRelease(store, bundle, number);
}

/** A bundle that is not there may be in the archive still. @throws StoreError NOT_OPEN */
async function mustBeOpen(store: Store): Promise<void> {
  const archive = await archiveState(store);
  if (!archive || archive.open) return;
  const { to, trouble } = archive;
  throw new StoreError(
    'NOT_OPEN',
    `the ensemble was founded anew, and what the archive ${to} has comes first${trouble ? `; that is not possible yet: ${trouble}` : '; try again in a moment'}`,
  );
}
