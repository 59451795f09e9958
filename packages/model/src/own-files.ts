import type { Manifest } from './manifest.ts';

/** The folder of a bundle whose files are for Quorate and not put on disk natively. */
const OWN_FOLDER = '.quorate';

export function isOwnFile(path: string): boolean {
  return path === OWN_FOLDER || path.startsWith(`${OWN_FOLDER}/`);
}

/** What of a manifest has native paths; the same manifest where that is all of it. */
export function nativeEntries(manifest: Manifest): Manifest {
  return manifest.some(({ path }) => isOwnFile(path)) ? manifest.filter(({ path }) => !isOwnFile(path)) : manifest;
}
