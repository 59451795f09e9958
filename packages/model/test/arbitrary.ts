import fc from 'fast-check';
import { type Entry, type FileEntry, type Manifest, manifestOf, parentPath, sha256 } from '../src/index.ts';

/** Names as people and machines make them: plain ones often, any script now and then. */
export const name: fc.Arbitrary<string> = fc
  .oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom('a', 'b', 'conf.d', 'nginx.conf', 'A', '-', '...', 'ä', '文件', '😀', 'x y'),
    },
    { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }) },
  )
  .filter((text) => text !== '.' && text !== '..' && !/[/\0\uFFFD]/.test(text) && text.isWellFormed());

const mode = fc.constantFrom('0644', '0600', '0755', '4755', '0000');
const owner = fc.constantFrom('root', 'www-data', '1001');

export const content: fc.Arbitrary<string> = fc.oneof(fc.constantFrom('', 'one', 'two', 'three'), fc.string());

export const fileEntry = (path: string, text: string, rest: Partial<FileEntry> = {}): FileEntry => ({
  path,
  kind: 'file',
  mode: '0644',
  owner: 'root',
  group: 'root',
  size: Buffer.byteLength(text),
  sha256: sha256(text),
  ...rest,
});

export const folderEntry = (path: string): Entry => ({
  path,
  kind: 'directory',
  mode: '0755',
  owner: 'root',
  group: 'root',
});

const leaf = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('file' as const), text: content, template: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('symlink' as const), target: name }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('directory' as const) }) },
);

const item = fc.record({
  path: fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/')),
  leaf,
  mode,
  owner,
  group: owner,
});

/** A manifest as a tree would give it: each folder of a path is an entry too. */
export const manifest = (options: { maxLength?: number; minLength?: number } = {}): fc.Arbitrary<Manifest> =>
  fc.array(item, { size: 'max', maxLength: 40, ...options }).map((items) => {
    const entries = new Map<string, Entry>();
    for (const { path, leaf, ...attributes } of items) {
      const folders = foldersOf(path);
      if (entries.has(path) || folders.some((folder) => (entries.get(folder)?.kind ?? 'directory') !== 'directory'))
        continue;
      for (const folder of folders) if (!entries.has(folder)) entries.set(folder, folderEntry(folder));
      entries.set(path, entryOf(path, leaf, attributes));
    }
    return manifestOf(entries.values());
  });

type Leaf = typeof leaf extends fc.Arbitrary<infer T> ? T : never;

function entryOf(
  path: string,
  leaf: Leaf,
  { mode, owner, group }: { mode: string; owner: string; group: string },
): Entry {
  switch (leaf.kind) {
    case 'file':
      return fileEntry(path, leaf.text, { mode, owner, group, ...(leaf.template ? { template: true } : {}) });
    case 'symlink':
      return { path, kind: 'symlink', target: leaf.target, owner, group };
    case 'directory':
      return { path, kind: 'directory', mode, owner, group };
  }
}

export function foldersOf(path: string): string[] {
  const folders: string[] = [];
  for (let at = parentPath(path); at !== '.'; at = parentPath(at)) folders.unshift(at);
  return folders;
}
