import { ModelError } from './errors.ts';

/** Bounds of one bundle, from the design: what a ZooKeeper ensemble carries without strain. */
export const LIMITS = {
  /** entries of a manifest */
  entries: 10_000,
  /** bytes of one file */
  fileBytes: 16 * 1024 * 1024,
  /** bytes of all files of a bundle */
  bundleBytes: 64 * 1024 * 1024,
  /** bytes of a path inside a bundle, as in Linux's PATH_MAX */
  pathBytes: 4096,
  /** bytes of a release's message */
  messageBytes: 16 * 1024,
} as const;

const mebibytes = (bytes: number): string => `${Math.round((bytes / 1024 / 1024) * 10) / 10} MiB`;

/** @throws ModelError LIMIT when a set of files is more than a bundle may hold */
export function checkLimits(files: Iterable<{ path: string; size: number }>, entries: number): void {
  if (entries > LIMITS.entries) {
    throw new ModelError('LIMIT', `${entries} entries are more than the ${LIMITS.entries} that a bundle may have`);
  }
  let bytes = 0;
  for (const { path, size } of files) {
    if (size > LIMITS.fileBytes) {
      throw new ModelError(
        'LIMIT',
        `${path} has ${mebibytes(size)}, more than the ${mebibytes(LIMITS.fileBytes)} of a file`,
      );
    }
    bytes += size;
  }
  if (bytes > LIMITS.bundleBytes) {
    throw new ModelError(
      'LIMIT',
      `the files have ${mebibytes(bytes)} in all, more than the ${mebibytes(LIMITS.bundleBytes)} of a bundle`,
    );
  }
}
