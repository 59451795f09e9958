import { ModelError } from './errors.ts';

/** Bounds of one bundle, from the design: what a ZooKeeper ensemble carries without strain. */
export const LIMITS = {
  /** files of a bundle */
  files: 10_000,
  /** entries of a manifest: files, symlinks and folders */
  entries: 20_000,
  /** bytes of one file */
  fileBytes: 16 * 1024 * 1024,
  /** bytes of all files of a bundle */
  bundleBytes: 64 * 1024 * 1024,
  /** bytes of a path inside a bundle, as in Linux's PATH_MAX */
  pathBytes: 4096,
  /** bytes of a release's record: with the rest of its transaction it stays far below ZooKeeper's 1 MB */
  recordBytes: 512 * 1024,
  /** bytes of a release's message */
  messageBytes: 16 * 1024,
} as const;

const limit = (bytes: number): string => `${bytes} (${bytes / 1024 / 1024} MiB)`;

/** @throws ModelError LIMIT when a set of files is more than a bundle may hold */
export function checkLimits(files: readonly { path: string; size: number }[], entries: number): void {
  if (files.length > LIMITS.files) {
    throw new ModelError('LIMIT', `${files.length} files are more than the ${LIMITS.files} that a bundle may have`);
  }
  if (entries > LIMITS.entries) {
    throw new ModelError(
      'LIMIT',
      `${entries} files, links and folders are more than the ${LIMITS.entries} that a bundle may have`,
    );
  }
  let bytes = 0;
  for (const { path, size } of files) {
    if (size > LIMITS.fileBytes) {
      throw new ModelError('LIMIT', `${path} has ${size} bytes, more than the ${limit(LIMITS.fileBytes)} of a file`);
    }
    bytes += size;
  }
  if (bytes > LIMITS.bundleBytes) {
    throw new ModelError(
      'LIMIT',
      `the files have ${bytes} bytes in all, more than the ${limit(LIMITS.bundleBytes)} of a bundle`,
    );
  }
}
