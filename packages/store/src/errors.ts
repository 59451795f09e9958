import type { Release } from '@quorate/model';

/** What went wrong, as a stable word that programs can rely on. */
export type StoreErrorCode =
  | 'CONFLICT' // somebody else moved the head first
  | 'OFFERED' // another candidate of the bundle stands
  | 'WITHDRAWN' // the candidate stands no more
  | 'VOTED_DOWN' // instances say no
  | 'NO_ANSWER' // too few instances have answered in time
  | 'ROLLING_OUT' // the release before is being rolled out still
  | 'NOT_IN_SYNC' // too few of the ensemble's voters would be in sync: ask again
  | 'NOT_OPEN' // an ensemble that was founded anew does not let publishers in yet
  | 'NOT_ARCHIVED' // the archive, which is to have each release first, does not have it
  | 'UNREACHABLE' // the store cannot be reached, or has no majority now
  | 'NOT_ALLOWED' // reached, but it refuses us
  | 'NOT_FOUND' // no such bundle, release or blob
  | 'CORRUPT' // bytes that do not match their hash, or a record that cannot be read
  | 'NEWER_FORMAT' // the store was made by a newer Quorate
  | 'TAKEN' // another instance shows itself under this id
  | 'UNCHANGED' // a publish that would change nothing
  | 'UNKNOWN_OUTCOME' // the connection broke around the commit, and whether it happened could not be found out in time
  | 'UNSUITABLE' // what is there cannot serve as a store (no link(2), read-only, a full disk …)
  | 'NOT_A_BACKUP' // a file that no backup of ours is
  | 'UNSUITABLE_FILE' // the file of a backup cannot be written
  | 'BAD_BACKUP' // a backup that is cut off or damaged
  | 'DIVERGED' // a backup and a store hold different lines of one bundle
  | 'BAD_URL';

export class StoreError extends Error {
  readonly code: StoreErrorCode;
  /** whose fault it tells of, where it is that of one that is there: for advice that names it */
  readonly bundle: string | undefined;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions & { readonly bundle?: string }) {
    super(message, options);
    this.name = 'StoreError';
    this.code = code;
    this.bundle = options?.bundle;
  }
}

/** Somebody else moved the head first. @param expected the release that the publication was made from */
export function conflict(bundle: string, expected: number | undefined, stands: Release | undefined): StoreError {
  if (stands && stands.number === expected) {
    const message = `the rollout of release ${expected} of ${bundle} has moved on since this was begun: nothing was changed; look at it, and try again`;
    return new StoreError('CONFLICT', message);
  }
  const was = expected === undefined ? 'nothing' : `release ${expected}`;
  const is = stands ? `release ${stands.number} by ${stands.author}` : 'nothing';
  return new StoreError(
    'CONFLICT',
    `${bundle} has moved on: it was at ${was} when this was begun and is at ${is} now; nothing was published`,
  );
}

/** An older release that cannot be added below those that are kept. */
export function noPlace({ bundle, number }: Release, there: Release | undefined): StoreError {
  const why = there
    ? `another release has its number: by ${there.author}, ${there.message || 'without a message'}`
    : `release ${number + 1}, the next one, is not kept`;
  return new StoreError('CONFLICT', `release ${number} of ${bundle} cannot be added to its history: ${why}`);
}

export function taken(id: string): StoreError {
  return new StoreError(
    'TAKEN',
    `another instance shows itself as ${id} since: give each an id of its own (\`--instance\`), or stop the other one; its status was left alone`,
  );
}
