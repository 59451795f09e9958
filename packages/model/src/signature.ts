import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import * as v from 'valibot';
import { positive } from './codec.ts';
import { ModelError } from './errors.ts';
import { digestOf, type Release } from './release.ts';

/** Names one release of a line by what it holds. */
export interface ReleaseName {
  readonly number: number;
  readonly digest: string;
}

/** Who answers for a release, in its record. */
export interface ReleaseSignature {
  /** the public key, as `publicKeyText` writes it */
  readonly key: string;
  /** digest of the release below; absent for a bundle's first */
  readonly parentDigest?: string;
  /** the release that a rollout of this one may take instances back to, where it may */
  readonly back?: ReleaseName;
  /** Ed25519 over `signedBytes`, base64 */
  readonly value: string;
}

const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
export const ReleaseNameSchema = v.object({ number: positive, digest: hash });
export const SignatureSchema = v.object({
  key: v.string(),
  parentDigest: v.optional(hash),
  back: v.optional(ReleaseNameSchema),
  value: v.string(),
});

/** What nobody else signs: a signature for another purpose is never taken for one of a release. */
const PURPOSE = 'quorate release signature 1';

/** What a signature covers: what an instance puts in place, where in which line, and who says so. Part of the format. */
function signedBytes(
  release: Release,
  { parentDigest, back }: Pick<ReleaseSignature, 'parentDigest' | 'back'>,
): Buffer {
  const { bundle, number, parent, digest, id, author, message, time, rollbackOf } = release;
  const statement = {
    ...{ bundle, number, parent, parentDigest: parentDigest ?? null, digest, id },
    ...{ author, message, time, rollbackOf: rollbackOf ?? null },
    back: back ? { number: back.number, digest: back.digest } : null,
  };
  return Buffer.from(`${PURPOSE}\n${JSON.stringify(statement)}\n`);
}

/**
 * @param key an Ed25519 private key
 * @param below the release that it follows, and the one that a rollout may go back to
 */
export function signRelease(
  release: Release,
  key: KeyObject,
  below: { readonly parent?: ReleaseName | undefined; readonly back?: ReleaseName | undefined },
): Release {
  const { parent, back } = below;
  const bound = {
    ...(parent ? { parentDigest: parent.digest } : {}),
    ...(back ? { back: { number: back.number, digest: back.digest } } : {}),
  };
  const value = sign(null, signedBytes(release, bound), key).toString('base64');
  return { ...release, signature: { key: publicKeyText(key), ...bound, value } };
}

/** Whether a release is as the key that its signature names has signed it; whether that key counts is another question. */
export function isAsSigned(release: Release): boolean {
  const { signature } = release;
  if (!signature || digestOf(release.definition, release.pages) !== release.digest) return false;
  try {
    const bytes = Buffer.from(signature.value, 'base64');
    return verify(null, signedBytes(release, signature), parsePublicKey(signature.key), bytes);
  } catch {
    // a key or a signature that is none
    return false;
  }
}

const PREFIX = 'ed25519:';

/** `ed25519:` and the 32 bytes of the public key in base64url. @param key private or public */
export function publicKeyText(key: KeyObject): string {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return `${PREFIX}${publicKey.export({ format: 'jwk' }).x}`;
}

/** @throws ModelError BAD_KEY */
export function parsePublicKey(text: string): KeyObject {
  if (/^ed25519:[A-Za-z0-9_-]{43}$/.test(text)) {
    try {
      return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: text.slice(PREFIX.length) }, format: 'jwk' });
    } catch {
      // told below
    }
  }
  throw new ModelError(
    'BAD_KEY',
    `${JSON.stringify(text.slice(0, 80))} is no public key: they are like ed25519:…, as \`quorate key show\` prints them`,
  );
}
