import * as v from 'valibot';
import { checkShape, count, exactly } from './codec.ts';
import { type BlobRef, sha256 } from './digest.ts';
import { ModelError } from './errors.ts';
import { checkLimits } from './limits.ts';
import { checkPath, checkTarget, comparePaths, parentPath } from './path.ts';

/** Owners are names where the machine knows them, else decimal numbers: `root`, `www-data`, `1001`. */
export interface FileEntry {
  readonly path: string;
  readonly kind: 'file';
  /** permission bits in octal, with set-id and sticky bits: `0644` */
  readonly mode: string;
  readonly owner: string;
  readonly group: string;
  readonly size: number;
  readonly sha256: string;
  /** rendered on the instance; absent means plain bytes */
  readonly template?: true;
}

export interface DirectoryEntry {
  readonly path: string;
  readonly kind: 'directory';
  readonly mode: string;
  readonly owner: string;
  readonly group: string;
}

export interface SymlinkEntry {
  readonly path: string;
  readonly kind: 'symlink';
  /** as read from the link; `checkLinks` tells where it may lead */
  readonly target: string;
  readonly owner: string;
  readonly group: string;
}

export type Entry = FileEntry | DirectoryEntry | SymlinkEntry;

/** What a bundle holds: entries in byte order of their paths, each folder before what lies in it. */
export type Manifest = readonly Entry[];

const mode = v.pipe(v.string(), v.regex(/^[0-7]{4}$/, 'a mode is four octal digits such as 0644'));
const owner = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_][A-Za-z0-9_.@$-]{0,63}$/, 'not a user or group name'));
const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'a SHA-256 is 64 lower-case hexadecimal digits'));

export const BlobRefSchema = exactly({ sha256: hash, size: count });

const EntrySchema = v.variant('kind', [
  exactly({
    path: v.string(),
    kind: v.literal('file'),
    mode,
    owner,
    group: owner,
    size: count,
    sha256: hash,
    template: v.optional(v.literal(true)),
  }),
  exactly({ path: v.string(), kind: v.literal('directory'), mode, owner, group: owner }),
  exactly({ path: v.string(), kind: v.literal('symlink'), target: v.string(), owner, group: owner }),
]);
const EntriesSchema = v.array(EntrySchema);

/**
 * Entries in their one order, checked: every folder of a path is an entry itself, nothing appears twice.
 * @throws ModelError BAD_MANIFEST, BAD_PATH or LIMIT
 */
export function manifestOf(entries: Iterable<Entry>): Manifest {
  const sorted = [...entries].sort((a, b) => comparePaths(a.path, b.path));
  const kinds = new Map<string, Entry['kind']>();
  for (const entry of sorted) {
    checkPath(entry.path);
    if (entry.kind === 'symlink') checkTarget(entry.path, entry.target);
    if (kinds.has(entry.path)) throw new ModelError('BAD_MANIFEST', `${entry.path} is there twice`);
    kinds.set(entry.path, entry.kind);
  }
  for (const entry of sorted) checkPlace(entry, kinds);
  checkLimits(
    sorted.filter((entry) => entry.kind === 'file'),
    sorted.length,
  );
  return sorted;
}

function checkPlace(entry: Entry, kinds: ReadonlyMap<string, Entry['kind']>): void {
  if (entry.path === '.') {
    if (entry.kind !== 'directory') throw new ModelError('BAD_MANIFEST', 'the root of a bundle is a directory');
    return;
  }
  const parent = parentPath(entry.path);
  if (parent !== '.' && kinds.get(parent) !== 'directory') {
    throw new ModelError('BAD_MANIFEST', `${entry.path} lies in ${parent}, which is no directory of the bundle`);
  }
}

/** A part of a manifest as it is stored: a blob of its own, so that a change of one line costs one page. */
export interface ManifestPage extends BlobRef {
  readonly bytes: Buffer;
}

/**
 * Entries a page has on average. A page ends where the hash of a path says so, hence an insertion moves no other page's
 * border: a changed entry costs one page of about 200 bytes × 128, however long the manifest.
 */
const PAGE_ENTRIES = 128;
const PAGE_MOST = 4 * PAGE_ENTRIES;

/** The manifest as pages, always the same pages for the same entries. */
export function paginate(manifest: Manifest): ManifestPage[] {
  const pages: ManifestPage[] = [];
  let entries: Entry[] = [];
  const finish = (): void => {
    if (entries.length === 0) return;
    const bytes = encodePage(entries);
    pages.push({ sha256: sha256(bytes), size: bytes.byteLength, bytes });
    entries = [];
  };
  for (const entry of manifest) {
    entries.push(entry);
    if (Number.parseInt(sha256(entry.path).slice(0, 8), 16) % PAGE_ENTRIES === 0 || entries.length === PAGE_MOST)
      finish();
  }
  finish();
  return pages;
}

function encodePage(entries: readonly Entry[]): Buffer {
  return Buffer.from(`[\n${entries.map((entry) => JSON.stringify(canonical(entry))).join(',\n')}\n]\n`);
}

function canonical(entry: Entry): Entry {
  const { path, kind, owner, group } = entry;
  if (kind === 'symlink') return { path, kind, target: entry.target, owner, group };
  if (kind === 'directory') return { path, kind, mode: entry.mode, owner, group };
  const { mode, size, sha256, template } = entry;
  return { path, kind, mode, owner, group, size, sha256, ...(template ? { template } : {}) };
}

/**
 * The manifest from its pages, in their order. Entries have one encoding and one order, so that another digest is another manifest.
 * @throws ModelError BAD_MANIFEST for what `paginate` would write otherwise, but for where pages end
 */
export function manifestFromPages(pages: readonly Uint8Array[]): Manifest {
  const entries: Entry[] = [];
  for (const page of pages) {
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(page));
    } catch (cause) {
      throw new ModelError('BAD_MANIFEST', 'a page of the manifest is not JSON', { cause });
    }
    const read = checkShape('BAD_MANIFEST', 'a page of the manifest', EntriesSchema, value);
    if (read.length === 0 || !encodePage(read).equals(page))
      throw new ModelError('BAD_MANIFEST', 'a page of the manifest is oddly written');
    for (const entry of read) entries.push(entry);
  }
  const manifest = manifestOf(entries);
  if (manifest.some((entry, at) => entry !== entries[at]))
    throw new ModelError('BAD_MANIFEST', 'the entries of the manifest are not in the order of their paths');
  return manifest;
}

/** Each content of a manifest once, in order of first use. */
export function blobsOf(manifest: Manifest): BlobRef[] {
  const refs = new Map<string, BlobRef>();
  for (const entry of manifest) {
    if (entry.kind === 'file' && !refs.has(entry.sha256))
      refs.set(entry.sha256, { sha256: entry.sha256, size: entry.size });
  }
  return [...refs.values()];
}
