import { type KeyObject, randomUUID } from 'node:crypto';
import {
  type BlobRef,
  type BundleDefinition,
  checkBundleName,
  checkLinks,
  draftRelease,
  type Manifest,
  type Release,
  type ReleaseVote,
  signRelease,
} from '@quorate/model';
import { conflict, StoreError } from './errors.ts';
import { askAlone, publishJudged } from './lone-vote.ts';
import { mustLatest, mustRelease, readManifest } from './read.ts';
import { checkNotUnderWay, type RolloutWish, rolloutOf } from './rollout.ts';
import type { BlobSource, CallOptions, Latest, Publication, Store, UploadProgress } from './store.ts';
import { checkTemplates } from './templates.ts';
import { askFleet, type Judged, publishVoted, type VoteTerms } from './voting.ts';

export interface PublishOptions extends CallOptions {
  readonly progress?: UploadProgress;
  /** an Ed25519 private key that the release is signed with */
  readonly sign?: KeyObject | undefined;
  /** The fleet is asked first, or where the store cannot do that `alone`; with `skipped`, why it is not asked. Nobody is asked unless given. */
  readonly vote?: VoteTerms | { readonly skipped: string };
}

export interface ManifestToPublish {
  readonly bundle: string;
  /** the head that it was made from; undefined for a bundle's first release */
  readonly base?: Latest;
  readonly definition: BundleDefinition;
  readonly manifest: Manifest;
  /** content by its hash, for what the parent does not hold; undefined for what the store itself has */
  read(sha256: string): Promise<Uint8Array | undefined>;
  readonly author: string;
  readonly message: string;
  readonly rollbackOf?: number;
  /** also when the base holds just this: a release that tells where it comes from */
  readonly evenUnchanged?: true;
  /** the same for each attempt at one publication, so that one whose outcome is unknown can be repeated; random unless given */
  readonly id?: string;
  /** how the fleet moves to it: as the definition says unless said otherwise here */
  readonly rollout?: RolloutWish;
}

/**
 * Makes a manifest the next release of its bundle.
 * @throws TemplateError that no instance could render; VoteError
 * @throws StoreError UNCHANGED when it is what the base holds already and that was not allowed; CONFLICT when the head is not `base` any more;
 *   ROLLING_OUT while the base is being rolled out, unless it is to be superseded
 */
export async function publishManifest(
  store: Store,
  what: ManifestToPublish,
  options: PublishOptions = {},
): Promise<Latest> {
  const publication = await draft(store, what, options);
  const { vote } = options;
  if (!vote || 'skipped' in vote) return store.publish(publication, options);
  if (store.candidates) return publishVoted(store, store.candidates, publication, vote, options);
  if (vote.alone) return publishJudged(store, publication, vote.alone, vote, options);
  return store.publish(publication, options);
}

/**
 * Hears what the fleet says of a manifest as the next release of its bundle; it is never made one.
 * @returns what each instance said that was asked; undefined where the store cannot ask, and nobody is asked for it
 * @throws as `publishManifest` does
 */
export async function planManifest(
  store: Store,
  what: ManifestToPublish,
  terms: VoteTerms,
  options: Omit<PublishOptions, 'vote'> = {},
): Promise<readonly Judged[] | undefined> {
  const publication = await draft(store, what, options);
  if (store.candidates) return askFleet(store, store.candidates, publication, terms, options);
  return terms.alone && askAlone(store, publication, terms.alone, terms, options);
}

async function draft(store: Store, what: ManifestToPublish, options: PublishOptions): Promise<Publication> {
  const { bundle, base, definition, manifest, author, message } = what;
  checkBundleName(bundle);
  checkLinks(manifest, definition);
  const content = async (ref: BlobRef): Promise<Uint8Array> =>
    (await what.read(ref.sha256)) ?? (await store.blob(ref, options));
  await checkTemplates(definition, manifest, content);
  checkNotUnderWay(bundle, base, what.rollout);
  const {
    release: drafted,
    pages,
    added,
  } = draftRelease({
    bundle,
    parent: base?.release,
    parentManifest: base ? await manifestOfBase(store, bundle, base, options) : [],
    definition,
    manifest,
    id: what.id ?? randomUUID(),
    author,
    message,
    time: new Date().toISOString(),
    ...(what.rollbackOf === undefined ? {} : { rollbackOf: what.rollbackOf }),
    ...recorded(options.vote),
    ...(base ? { head: base.head } : {}),
  });
  const rollout = base && (await rolloutOf(store, drafted, base.head, what.rollout, options));
  const back = rollout && options.sign ? await mustRelease(store, bundle, rollout.from, options) : undefined;
  const release = options.sign ? signRelease(drafted, options.sign, { parent: base?.release, back }) : drafted;
  const isWithdrawn = base?.head.rollout?.state === 'back'; // the same once more: to be tried again
  if (base?.release.digest === release.digest && !what.evenUnchanged && !isWithdrawn) {
    throw new StoreError(
      'UNCHANGED',
      `nothing to publish: this is what release ${base.release.number} of ${bundle} holds already`,
    );
  }
  const ready = new Map(pages.map((page) => [page.sha256, page.bytes]));
  const source = (ref: BlobRef): BlobSource => ({
    ...ref,
    read: async () => ready.get(ref.sha256) ?? content(ref),
  });
  return { release, expected: base?.head, added: added.map(source), ...(rollout ? { rollout } : {}) };
}

/** What the history is to show of how the fleet was asked. */
function recorded(vote: PublishOptions['vote']): { vote?: ReleaseVote } {
  if (!vote) return {};
  if ('skipped' in vote) return { vote: { skipped: vote.skipped } };
  return vote.quorum === undefined || vote.quorum === 100 ? {} : { vote: { quorum: vote.quorum } };
}

/** @throws StoreError CONFLICT when the base was overtaken so long ago that it was collected */
async function manifestOfBase(store: Store, bundle: string, base: Latest, options: PublishOptions): Promise<Manifest> {
  try {
    return await readManifest(store, base.release, options);
  } catch (error) {
    if (!(error instanceof StoreError && error.code === 'NOT_FOUND')) throw error;
    const stands = await store.latest(bundle, options);
    if (stands?.release.id === base.release.id) throw error;
    throw conflict(bundle, base.release.number, stands?.release);
  }
}

/**
 * Brings back what an older release held, as a new release: the line only grows.
 * @throws StoreError NOT_FOUND, UNCHANGED, CONFLICT
 */
export async function rollback(
  store: Store,
  what: {
    readonly bundle: string;
    readonly to: number;
    readonly author: string;
    readonly message: string;
    readonly base?: Latest;
    /** at once unless a strategy is given: who goes back is in a hurry */
    readonly rollout?: RolloutWish;
  },
  options: PublishOptions = {},
): Promise<Latest> {
  const base = what.base ?? (await mustLatest(store, what.bundle, options));
  const old: Release = await mustRelease(store, what.bundle, what.to, options);
  const manifest = await readManifest(store, old, options);
  return publishManifest(
    store,
    {
      bundle: what.bundle,
      base,
      definition: old.definition,
      manifest,
      read: async () => undefined, // the store has all of it
      author: what.author,
      message: what.message,
      rollbackOf: what.to,
      rollout: { strategy: 'now', ...what.rollout },
    },
    options,
  );
}
