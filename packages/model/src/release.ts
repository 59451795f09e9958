import * as v from 'valibot';
import { count, decodeRecord, encodeRecord, positive } from './codec.ts';
import { type BundleDefinition, DefinitionSchema, definitionOf } from './definition.ts';
import { type BlobRef, sha256 } from './digest.ts';
import { ModelError } from './errors.ts';
import { LIMITS } from './limits.ts';
import { BlobRefSchema, blobsOf, type Manifest, type ManifestPage, paginate } from './manifest.ts';
import { type Rollout, RolloutSchema, StoryEntries } from './rollout/rollout.ts';
import { type ReleaseSignature, SignatureSchema } from './signature.ts';
import { markTemplates } from './template-files.ts';

export const RELEASE_FORMAT = 1;
/** 2: with a rollout, which a Quorate that does not know it must not take for a plain move of the head. */
export const HEAD_FORMAT = 2;

/** An immutable snapshot of a bundle, as stored. */
export interface Release {
  readonly format: number;
  readonly bundle: string;
  /** 1, 2, 3 … without gaps */
  readonly number: number;
  /** the release it was made from; 0 for the first */
  readonly parent: number;
  /** SHA-256 over definition and manifest: equal content has an equal digest, whoever published it when */
  readonly digest: string;
  /** unique to one attempt at publishing, so that a publisher can tell its own release after a lost connection */
  readonly id: string;
  readonly author: string;
  readonly message: string;
  /** the publisher's wall clock, ISO 8601: shown, never compared */
  readonly time: string;
  readonly definition: BundleDefinition;
  /** the manifest, as blobs to be read in this order */
  readonly pages: readonly BlobRef[];
  readonly files: number;
  /** bytes of all files */
  readonly bytes: number;
  /** blobs that the parent does not have, the first `ADDS_MOST`: a hint so that an instance fetches all in one round */
  readonly adds: readonly BlobRef[];
  /** the release whose content this one brings back */
  readonly rollbackOf?: number;
  /** by whom, where somebody answers for it with a key */
  readonly signature?: ReleaseSignature;
  /** how the fleet was asked, where not every instance had to say yes */
  readonly vote?: ReleaseVote;
  /** how the rollout of its parent went, where it had one */
  readonly before?: RolloutStory;
}

/** Shown by the history: a release that went out on a bad day says so. */
export interface ReleaseVote {
  /** percent of the instances that had to say yes */
  readonly quorum?: number;
  /** nobody was asked, and why */
  readonly skipped?: string;
}

/** How many blobs a release names as new: 256 × about 90 bytes keeps the record far below ZooKeeper's 1 MB. */
export const ADDS_MOST = 256;

/** The one compare-and-set pointer of a bundle. Its version belongs to the store. */
export interface Head {
  readonly format: number;
  /** the release that the fleet should run */
  readonly release: number;
  readonly digest: string;
  /** how the fleet moves to the release, or has moved to it; absent where it went at once */
  readonly rollout?: Rollout;
}

/** How the rollout of an earlier release went, as the next release keeps it. */
export interface RolloutStory extends Pick<Rollout, 'from' | 'state' | 'story'> {
  readonly release: number;
}

export interface ReleaseDraft {
  readonly bundle: string;
  readonly parent: Release | undefined;
  readonly parentManifest: Manifest;
  readonly definition: BundleDefinition;
  readonly manifest: Manifest;
  readonly id: string;
  readonly author: string;
  readonly message: string;
  readonly time: string;
  readonly rollbackOf?: number;
  readonly vote?: ReleaseVote;
  /** the parent's head */
  readonly head?: Head;
}

export interface DraftedRelease {
  readonly release: Release;
  readonly pages: readonly ManifestPage[];
  /** every blob the parent does not hold, pages included: what must be in the store before the head moves */
  readonly added: readonly BlobRef[];
}

/** The next release of a line: number, digest, pages, and what is new against the parent. */
export function draftRelease(draft: ReleaseDraft): DraftedRelease {
  if (Buffer.byteLength(draft.message) > LIMITS.messageBytes) {
    throw new ModelError('LIMIT', `the message is longer than ${LIMITS.messageBytes} bytes`);
  }
  const definition = definitionOf(draft.definition);
  if (draft.message.trim() === '' && needsMessage(definition, draft.parent?.definition)) {
    throw new ModelError('NO_MESSAGE', `${draft.bundle} takes no release without a message`);
  }
  const manifest = markTemplates(definition, draft.manifest);
  const pages = paginate(manifest);
  const held = new Set(
    draft.parent ? [...draft.parent.pages, ...blobsOf(draft.parentManifest)].map((ref) => ref.sha256) : [],
  );
  const files = manifest.filter((entry) => entry.kind === 'file');
  const added = [...pages, ...blobsOf(manifest)]
    .filter((ref) => !held.has(ref.sha256))
    .map(({ sha256, size }) => ({ sha256, size }));
  const release: Release = {
    format: RELEASE_FORMAT,
    bundle: draft.bundle,
    number: (draft.parent?.number ?? 0) + 1,
    parent: draft.parent?.number ?? 0,
    digest: digestOf(definition, pages),
    id: draft.id,
    author: draft.author,
    message: draft.message,
    time: draft.time,
    definition,
    pages: pages.map(({ sha256, size }) => ({ sha256, size })),
    files: files.length,
    bytes: files.reduce((sum, file) => sum + file.size, 0),
    adds: added.slice(0, ADDS_MOST),
    ...(draft.rollbackOf === undefined ? {} : { rollbackOf: draft.rollbackOf }),
    ...(draft.vote ? { vote: draft.vote } : {}),
    ...(draft.head?.rollout ? { before: storyOf(draft.head.release, draft.head.rollout) } : {}),
  };
  const { byteLength } = encodeRelease(release);
  if (byteLength > LIMITS.recordBytes) {
    throw new ModelError(
      'LIMIT',
      `the record of the release has ${byteLength} bytes, more than ${LIMITS.recordBytes}: shorten the definition (its commands, ignore and links) or the author`,
    );
  }
  return { release, pages, added };
}

/** Whether a release has to say why: by its own definition, or by that of the release below, so that the rule is not lifted in silence. */
export function needsMessage(...definitions: readonly (BundleDefinition | undefined)[]): boolean {
  return definitions.some((definition) => definition?.message === 'required');
}
/** The rollout of a release without what only serves to lead it. */
export const storyOf = (release: number, { from, state, story }: Rollout): RolloutStory => ({
  release,
  from,
  state,
  story,
});

/** The content address of a release. */
export function digestOf(definition: BundleDefinition, pages: readonly BlobRef[]): string {
  return sha256(JSON.stringify({ definition: definitionOf(definition), pages: pages.map((page) => page.sha256) }));
}

const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const ReleaseSchema = v.object({
  format: positive,
  bundle: v.string(),
  number: positive,
  parent: count,
  digest: hash,
  id: v.string(),
  author: v.string(),
  message: v.string(),
  time: v.string(),
  definition: DefinitionSchema,
  pages: v.array(BlobRefSchema),
  files: count,
  bytes: count,
  adds: v.array(BlobRefSchema),
  rollbackOf: v.optional(positive),
  signature: v.optional(SignatureSchema),
  vote: v.optional(v.object({ quorum: v.optional(positive), skipped: v.optional(v.string()) })),
  before: v.optional(v.object({ release: positive, ...StoryEntries })),
});
const HeadSchema = v.object({ format: positive, release: positive, digest: hash, rollout: v.optional(RolloutSchema) });

export const encodeRelease = (release: Release): Buffer => encodeRecord(release);

/** @throws ModelError BAD_RECORD, NEWER_FORMAT, or BAD_RECORD when the digest is not that of the content */
export function decodeRelease(bytes: Uint8Array | string): Release {
  const release = decodeRecord('the release', RELEASE_FORMAT, ReleaseSchema, bytes);
  if (digestOf(release.definition, release.pages) !== release.digest) {
    throw new ModelError(
      'BAD_RECORD',
      `release ${release.number} of ${release.bundle} does not match its digest: the record was changed`,
    );
  }
  return release;
}

/** A head as it is stored: a rollout makes it one of a newer format. */
export function headOf({ number, digest }: Pick<Release, 'number' | 'digest'>, rollout?: Rollout): Head {
  return { format: rollout ? HEAD_FORMAT : 1, release: number, digest, ...(rollout ? { rollout } : {}) };
}

/** Whether two heads say the same, however often they were written. */
export function sameHead(a: Head | undefined, b: Head | undefined): boolean {
  return (
    a?.release === b?.release && a?.digest === b?.digest && JSON.stringify(a?.rollout) === JSON.stringify(b?.rollout)
  );
}

export const encodeHead = ({ release, digest, rollout }: Head): Buffer =>
  encodeRecord(headOf({ number: release, digest }, rollout));

/** @throws ModelError BAD_RECORD or NEWER_FORMAT */
export function decodeHead(bytes: Uint8Array | string): Head {
  return decodeRecord('the head', HEAD_FORMAT, HeadSchema, bytes);
}
