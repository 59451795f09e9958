import { type Entry, type Manifest, manifestOf, sha256 } from '@quorate/model';
import type { Store } from '@quorate/store';
import { readingBase } from './native-files.ts';

/**
 * A release's files with some of those changed that are for Quorate and have no native path.
 * @param changed what each holds from now on; undefined takes it away
 */
export function ownFiles(
  store: Store,
  base: Manifest,
  changed: ReadonlyMap<string, Buffer | undefined>,
): { readonly manifest: Manifest; read(sha256: string): Promise<Uint8Array> } {
  const root = base.find(({ path }) => path === '.');
  const owned = { owner: root?.owner ?? 'root', group: root?.group ?? 'root' };
  const entries = new Map<string, Entry>(base.map((entry) => [entry.path, entry]));
  const contents = new Map<string, Buffer>();
  for (const [path, bytes] of changed) {
    entries.delete(path);
    if (!bytes) continue;
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const folder = path.slice(0, at);
      if (!entries.has(folder)) entries.set(folder, { path: folder, kind: 'directory', mode: '0700', ...owned });
    }
    const hash = sha256(bytes);
    contents.set(hash, bytes);
    entries.set(path, { path, kind: 'file', mode: '0600', ...owned, size: bytes.byteLength, sha256: hash });
  }
  const read = readingBase(store, base, async (hash) => contents.get(hash)!);
  return { manifest: manifestOf(entries.values()), read };
}
