import * as v from 'valibot';
import { decodeRecord, encodeRecord, positive } from './codec.ts';
import type { Release } from './release.ts';
import { isAsSigned, type ReleaseName, ReleaseNameSchema } from './signature.ts';

const TAKEN_FORMAT = 1;

/** A key whose signatures an instance takes. */
export interface TrustedKey {
  /** as `publicKeyText` writes it */
  readonly key: string;
  readonly name?: string;
  /** the bundles that it may sign; all unless given */
  readonly bundles?: readonly string[];
}

/** The newest release of a bundle that an instance has taken: from there on its line only goes forward. */
export interface TakenRelease extends ReleaseName {
  readonly id: string;
  /** where a rollout of it may take this instance back to */
  readonly back?: ReleaseName;
}

export type SignedJudgement =
  /** `mark` is what the instance has to remember from now on */
  { readonly ok: true; readonly mark: TakenRelease } | { readonly ok: false; readonly reason: string };

/**
 * Whether an instance that takes signed releases alone takes this one. The store may be anybody's: it can withhold releases, but neither make one,
 * nor move one to another bundle or number, nor bring back an old one.
 * @param mark what the instance remembers; nothing on its first release of the bundle
 */
export function judgeSigned(
  bundle: string,
  release: Release,
  keys: readonly TrustedKey[],
  mark: TakenRelease | undefined,
): SignedJudgement {
  const { number, digest, id } = release;
  const fault = faultOf(bundle, release, keys) ?? (mark ? misplaced(release, mark) : undefined);
  if (fault) return { ok: false, reason: `release ${number} of ${bundle} ${fault}` };
  if (mark && number <= mark.number) return { ok: true, mark };
  const back = release.signature?.back;
  return { ok: true, mark: { number, digest, id, ...(back ? { back } : {}) } };
}

function faultOf(bundle: string, release: Release, keys: readonly TrustedKey[]): string | undefined {
  const { signature } = release;
  if (!signature) return 'is not signed, and this instance takes signed releases alone: publish it again with --sign';
  const trusted = keys.find(({ key }) => key === signature.key);
  if (!trusted)
    return `is signed by ${signature.key}, which is none of the keys that this instance trusts: publish it again with one of them, or list this one under \`trust: keys:\` in the instance's settings`;
  if (trusted.bundles && !trusted.bundles.includes(bundle))
    return `is signed by ${trusted.name ?? trusted.key}, which may sign ${trusted.bundles.join(', ')} alone`;
  if (release.bundle !== bundle) return `is one of ${release.bundle} in truth: somebody wrote to the store by hand`;
  return isAsSigned(release)
    ? undefined
    : 'is not as it was signed: it was changed since, or moved here from another place; look at who writes to the store';
}

function misplaced({ number, digest, id, signature }: Release, mark: TakenRelease): string | undefined {
  if (number === mark.number)
    return id === mark.id ? undefined : `is another one than this instance has taken under that number: ${FORGET}`;
  if (number === mark.number + 1 && signature?.parentDigest !== mark.digest)
    return `was made upon another release ${mark.number} than this instance has taken: ${FORGET}`;
  if (number > mark.number) return undefined;
  if (mark.back?.number === number && mark.back.digest === digest) return undefined;
  return `is older than release ${mark.number}, which this instance has taken, and no signed rollback brings it back: ${FORGET}`;
}

const FORGET =
  'the store was set back to an older state or is not what it was; where you know why, `quorate key forget BUNDLE` on the instance makes it begin anew';

const TakenSchema = v.object({
  format: positive,
  ...ReleaseNameSchema.entries,
  id: v.string(),
  back: v.optional(ReleaseNameSchema),
});

export const encodeTaken = (mark: TakenRelease): Buffer => encodeRecord({ format: TAKEN_FORMAT, ...mark });

/** @throws ModelError BAD_RECORD or NEWER_FORMAT */
export function decodeTaken(text: string): TakenRelease {
  const { format: _, ...mark } = decodeRecord('the newest release that was taken', TAKEN_FORMAT, TakenSchema, text);
  return mark;
}
