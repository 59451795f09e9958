import { isBundleName, LIMITS } from '@quorate/model';

/** The layout of a backup, in its `format.json`: raised when an older Quorate would read it wrongly. */
export const BACKUP_FORMAT = 1;

/** What a backup is made of, by path. */
export const FORMAT_FILE = 'format.json';
/** lists every file that counts, as sha256sum(1) writes and checks it; comes last */
export const INDEX_FILE = 'SHA256SUMS';
export const blobFile = (hash: string): string => `blobs/${hash.slice(0, 2)}/${hash}`;
export const headFile = (bundle: string): string => `bundles/${bundle}/head.json`;
export const tagsFile = (bundle: string): string => `bundles/${bundle}/tags.json`;
/** the log of what was done, a record of JSON a line: to be read, not to be restored */
export const AUDIT_FILE = 'audit.jsonl';
export const releaseFile = (bundle: string, number: number): string => `bundles/${bundle}/releases/${number}.json`;

export type Part =
  | { readonly kind: 'format' }
  | { readonly kind: 'index' }
  | { readonly kind: 'blob'; readonly sha256: string }
  | { readonly kind: 'head'; readonly bundle: string }
  | { readonly kind: 'tags'; readonly bundle: string }
  | { readonly kind: 'release'; readonly bundle: string; readonly number: number };

/** What a path in a backup is; undefined for what this Quorate does not know and passes over. */
export function partAt(path: string): Part | undefined {
  if (path === FORMAT_FILE) return { kind: 'format' };
  if (path === INDEX_FILE) return { kind: 'index' };
  const [, hash] = /^blobs\/[0-9a-f]{2}\/([0-9a-f]{64})$/.exec(path) ?? [];
  if (hash !== undefined && path === blobFile(hash)) return { kind: 'blob', sha256: hash };
  const [, bundle = '', kind, number] =
    /^bundles\/([^/]+)\/(head|tags|releases\/([1-9]\d{0,11}))\.json$/.exec(path) ?? [];
  if (!isBundleName(bundle)) return undefined;
  if (kind === 'head' || kind === 'tags') return { kind, bundle };
  return { kind: 'release', bundle, number: Number(number) };
}

/** Bytes that a part may have at most; a larger one is none of ours. */
export function mostBytes(part: Part | undefined): number {
  if (part?.kind === 'blob') return LIMITS.fileBytes;
  return part === undefined || part.kind === 'index' ? Number.MAX_SAFE_INTEGER : LIMITS.recordBytes;
}

/** What `format.json` tells. */
export interface BackupOrigin {
  readonly format: number;
  readonly backup: 'quorate';
  /** the store that it was taken from */
  readonly store: string;
  /** ISO 8601, of the clock of the machine that began it: shown, never compared */
  readonly time: string;
}
