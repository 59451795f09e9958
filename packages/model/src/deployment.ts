import * as v from 'valibot';
import { decodeRecord, exactly } from './codec.ts';
import { type BundleDefinition, DefinitionSchema, definitionOf } from './definition.ts';
import { sha256 } from './digest.ts';
import { ModelError } from './errors.ts';
import { type Entry, type Manifest, manifestOf } from './manifest.ts';
import { checkBundleName } from './path.ts';
import type { Release } from './release.ts';
import { markTemplates } from './template-files.ts';

export const DEPLOYMENT_FORMAT = 1;

/** Where the content of a deployment lies. */
export interface DeploymentPlace {
  readonly bucket: string;
  readonly key: string;
  /** of the whole content: what is there counts only if it is this. It names the deployment, too */
  readonly sha256: string;
}

/** A bundle as somebody deploys it: everything in one text. */
export interface Deployment {
  readonly bundle: string;
  readonly definition: BundleDefinition;
  readonly manifest: Manifest;
  /** bytes by their hash */
  readonly contents: ReadonlyMap<string, Buffer>;
}

const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'a SHA-256 is 64 lower-case hexadecimal digits'));
const text = v.pipe(v.string(), v.nonEmpty());
const PlaceSchema = v.object({ format: v.number(), bucket: text, key: text, sha256: hash });
const owned = { path: v.string(), owner: v.string(), group: v.string() };
const DeploymentSchema = exactly({
  format: v.number(),
  bundle: v.string(),
  definition: DefinitionSchema,
  entries: v.array(
    v.variant('kind', [
      exactly({ ...owned, kind: v.literal('file'), mode: v.string(), content: v.pipe(v.string(), v.base64()) }),
      exactly({ ...owned, kind: v.literal('directory'), mode: v.string() }),
      exactly({ ...owned, kind: v.literal('symlink'), target: v.string() }),
    ]),
  ),
});

/** @throws ModelError BAD_RECORD or NEWER_FORMAT */
export function decodeDeploymentPlace(value: string): DeploymentPlace {
  const {
    bucket,
    key,
    sha256: whole,
  } = decodeRecord('what announces a deployment', DEPLOYMENT_FORMAT, PlaceSchema, value);
  return { bucket, key, sha256: whole };
}

/**
 * @param place what the bytes are to be, and the bundle that they are announced for
 * @throws ModelError BAD_RECORD, NEWER_FORMAT, BAD_MANIFEST, BAD_PATH or LIMIT
 */
export function decodeDeployment(
  bytes: Uint8Array,
  place: { readonly bundle: string; readonly sha256: string },
): Deployment {
  if (sha256(bytes) !== place.sha256)
    throw new ModelError(
      'BAD_RECORD',
      `the deployment of ${place.bundle} has another SHA-256 than was announced: deploy again`,
    );
  const { bundle, definition, entries } = decodeRecord('the deployment', DEPLOYMENT_FORMAT, DeploymentSchema, bytes);
  checkBundleName(bundle);
  if (bundle !== place.bundle)
    throw new ModelError(
      'BAD_RECORD',
      `the deployment is announced for ${place.bundle} and is one of ${bundle}: deploy again`,
    );
  const contents = new Map<string, Buffer>();
  const listed = entries.map((entry): Entry => {
    if (entry.kind !== 'file') return entry;
    const { content, ...rest } = entry;
    const decoded = Buffer.from(content, 'base64');
    const address = sha256(decoded);
    contents.set(address, decoded);
    return { ...rest, size: decoded.byteLength, sha256: address };
  });
  const known = definitionOf(definition);
  return { bundle, definition: known, manifest: markTemplates(known, manifestOf(listed)), contents };
}

/** What to do about a deployment that is announced. */
export type DeploymentStep =
  | { readonly kind: 'none' }
  /** it is the next release */
  | { readonly kind: 'publish' }
  /** others have published since the last deployment: published if nothing of theirs is lost by it */
  | { readonly kind: 'follow'; readonly last: Release }
  /** no deployment is known that it follows: published if that changes nothing */
  | { readonly kind: 'compare' };

const RELEASE_ID = /^deployment-([0-9a-f]{64})-\d+$/;

/** The id of the release that a deployment becomes after another: whoever repeats it, finds out that it is there. */
export const deploymentRelease = (whole: string, head: Release | undefined): string =>
  `deployment-${whole}-${head?.number ?? 0}`;

/** The deployment that a release came from. */
export const deploymentOf = (release: Release): string | undefined => RELEASE_ID.exec(release.id)?.[1];

/** @param last the newest release of the line that came from a deployment, if one is kept */
export function planDeployment(whole: string, head: Release | undefined, last: Release | undefined): DeploymentStep {
  if (!head) return { kind: 'publish' };
  if (!last) return { kind: 'compare' };
  if (deploymentOf(last) === whole) return { kind: 'none' };
  return last.number === head.number ? { kind: 'publish' } : { kind: 'follow', last };
}
