import { type Manifest, manifestOf } from './manifest.ts';

/** The folder of a bundle whose files are for Quorate and not put on disk natively. */
const OWN_FOLDER = '.quorate';

export function isOwnFile(path: string): boolean {
  return path === OWN_FOLDER || path.startsWith(`${OWN_FOLDER}/`);
}

/** What of a manifest has native paths; the same manifest where that is all of it. */
export function nativeEntries(manifest: Manifest): Manifest {
  return manifest.some(({ path }) => isOwnFile(path)) ? manifest.filter(({ path }) => !isOwnFile(path)) : manifest;
}

/** A set of files with what the release before has for Quorate, unless the set says itself what there is. */
export function withOwnFiles(base: Manifest, files: Manifest): Manifest {
  const own = base.filter(({ path }) => isOwnFile(path));
  return own.length === 0 || files.some(({ path }) => isOwnFile(path)) ? files : manifestOf([...files, ...own]);
}
