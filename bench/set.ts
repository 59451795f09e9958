import { definitionOf, type Entry, manifestOf, sha256 } from '@quorate/model';
import { type PublishOptions, publishManifest, type Store } from '@quorate/store';

/** The bundle that is measured: a usual set of configuration files. */
export const BUNDLE = 'bench';
export const FILES = 40;
/** About what a configuration file has. */
export const FILE_BYTES = 4096;

/** Makes these contents the next release of the bundle, as the command does. */
export async function publishSet(
  store: Store,
  contents: readonly Buffer[],
  message: string,
  options: PublishOptions = {},
): Promise<void> {
  const blobs = new Map(contents.map((bytes) => [sha256(bytes), bytes]));
  const base = await store.latest(BUNDLE);
  const what = {
    bundle: BUNDLE,
    ...(base ? { base } : {}),
    definition: definitionOf({ root: `/etc/${BUNDLE}`, link: 'directory' }),
    manifest: manifestOf(contents.map(entry)),
    read: async (hash: string) => blobs.get(hash)!,
    author: 'bench',
    message,
  };
  await publishManifest(store, what, options);
}

/** Owned by whoever measures, who need not be root. */
function entry(bytes: Buffer, at: number): Entry {
  return {
    path: `file-${at}.conf`,
    kind: 'file',
    mode: '0644',
    owner: String(process.geteuid?.()),
    group: String(process.getegid?.()),
    size: bytes.byteLength,
    sha256: sha256(bytes),
  };
}
