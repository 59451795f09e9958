import { closeSync, constants, openSync, readFileSync, readlinkSync } from 'node:fs';
import {
  type BlobRef,
  type Entry,
  type FileEntry,
  isAdoptable,
  type Manifest,
  manifestOf,
  markTemplates,
  type Release,
  sha256,
} from '@quorate/model';
import type { Found } from './differences.ts';
import type { Owners } from './owners.ts';
import { lstatOf } from './tree.ts';

/** A release with the edits in it. */
export interface Edited {
  readonly base: Release;
  /** as it is published: templates, not what was made of them */
  readonly manifest: Manifest;
  /** what the edits brought, by its hash */
  readonly contents: ReadonlyMap<string, Buffer>;
  /** also what the release has */
  read(sha256: string): Promise<Buffer>;
}

export interface Editable {
  readonly release: Release;
  /** as it was published */
  readonly source: Manifest;
  readonly owners: Owners;
  /** content of the release */
  read(ref: BlobRef): Buffer;
}

/** A release with those edits that one can hold, read now. */
export function editedOf({ release, source, owners, read }: Editable, edits: readonly Found[]): Edited {
  const entries = new Map(source.map((entry) => [entry.path, entry]));
  const contents = new Map<string, Buffer>();
  for (const edit of edits.filter(isAdoptable)) {
    const now = edit.what === 'missing' ? undefined : entryAt(owners, edit);
    const was = entries.get(edit.path);
    if (!now) entries.delete(edit.path);
    else if (edit.rendered && was?.kind === 'file') entries.set(edit.path, { ...was, ...attributesOf(now.entry) });
    else entries.set(edit.path, now.entry);
    if (now?.entry.kind === 'file' && now.bytes) contents.set(now.entry.sha256, now.bytes);
  }
  const manifest = markTemplates(release.definition, manifestOf(entries.values()));
  return withContents({ base: release, manifest, contents }, read);
}

/** @param read content of the release */
export function withContents(
  { base, manifest, contents }: Pick<Edited, 'base' | 'manifest' | 'contents'>,
  read: (ref: BlobRef) => Buffer,
): Edited {
  const files = new Map(manifest.flatMap((entry) => (entry.kind === 'file' ? [[entry.sha256, entry] as const] : [])));
  return {
    base,
    manifest,
    contents,
    read: async (hash) => {
      const bytes = contents.get(hash) ?? (files.has(hash) ? read(files.get(hash)!) : undefined);
      if (bytes) return bytes;
      throw new Error(`no file of release ${base.number} has the content ${hash}`);
    },
  };
}

/** What is at the place of an edit now, as a manifest has it; undefined where nothing is. */
export function entryAt(owners: Owners, { place, path }: Found): { entry: Entry; bytes?: Buffer } | undefined {
  const stats = lstatOf(place);
  if (!stats) return undefined;
  const owned = { path, owner: owners.user(stats.uid), group: owners.group(stats.gid) };
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
  if (stats.isDirectory()) return { entry: { ...owned, kind: 'directory', mode } };
  if (stats.isSymbolicLink()) return { entry: { ...owned, kind: 'symlink', target: readlinkSync(place) } };
  const bytes = readItself(place);
  return { entry: { ...owned, kind: 'file', mode, size: bytes.byteLength, sha256: sha256(bytes) }, bytes };
}

/** A link that took the file's place meanwhile is not followed. */
function readItself(place: string): Buffer {
  const fd = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

function attributesOf(entry: Entry): Pick<FileEntry, 'owner' | 'group'> & Partial<Pick<FileEntry, 'mode'>> {
  const { owner, group } = entry;
  return { owner, group, ...(entry.kind === 'symlink' ? {} : { mode: entry.mode }) };
}
