import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  type Stats,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { type Entry, type FileEntry, type Manifest, sha256 } from '@quorate/model';
import type { Owners } from './owners.ts';

const SUPERUSER = process.geteuid?.() === 0;
/** Entries written before other work gets a turn: a session's pings must not wait for ten thousand files. */
const BREATHE_AFTER = 256;

/** Where the bytes of a file come from. */
export type Content = (entry: FileEntry) => Uint8Array;

/** Writes entries below a folder that nobody else sees yet, or one by one to their native places. */
export class TreeWriter {
  readonly #owners: Owners;

  constructor(owners: Owners) {
    this.#owners = owners;
  }

  /** A whole tree, from nothing. */
  async write(folder: string, manifest: Manifest, content: Content): Promise<void> {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { mode: 0o755 });
    await this.add(folder, manifest, content);
    this.finish(folder, manifest);
  }

  /** Entries that are not there yet, folders before what they hold. */
  async add(folder: string, entries: readonly Entry[], content: Content): Promise<void> {
    let written = 0;
    for (const entry of entries) {
      if (entry.path !== '.') this.#one(join(folder, entry.path), entry, content);
      if (++written % BREATHE_AFTER === 0) await breathe();
    }
  }

  /** Gives folders their modes and owners: last and from the inside out, for a folder may forbid its owner to write. */
  finish(folder: string, entries: readonly Entry[]): void {
    for (const entry of entries.toReversed())
      if (entry.kind === 'directory') this.directoryAttributes(join(folder, entry.path), entry);
  }

  #one(path: string, entry: Entry, content: Content): void {
    if (entry.kind === 'directory') mkdirSync(path, { mode: 0o700 });
    else if (entry.kind === 'symlink') this.symlink(path, entry);
    else this.file(path, entry, content(entry));
  }

  /** A new file with its owner and mode from the first instant that it can be opened by name. */
  file(path: string, entry: Entry & { kind: 'file' }, bytes: Uint8Array): void {
    const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    try {
      if (bytes.byteLength > 0) writeWhole(fd, bytes);
      if (SUPERUSER) {
        const [uid, gid] = [this.#owners.uid(entry.owner), this.#owners.gid(entry.group)];
        if (uid !== 0 || gid !== 0) fchownSync(fd, uid, gid);
      }
      fchmodSync(fd, permissions(entry.mode));
    } finally {
      closeSync(fd);
    }
  }

  symlink(path: string, entry: Entry & { kind: 'symlink' }): void {
    symlinkSync(entry.target, path);
    if (!SUPERUSER) return;
    const [uid, gid] = [this.#owners.uid(entry.owner), this.#owners.gid(entry.group)];
    if (uid !== 0 || gid !== 0) lchownSync(path, uid, gid);
  }

  /** A folder at its native place. */
  directory(path: string, entry: Entry & { kind: 'directory' }): void {
    mkdirSync(path, { mode: 0o700 });
    this.directoryAttributes(path, entry);
  }

  directoryAttributes(path: string, entry: Entry & { kind: 'directory' }): void {
    if (SUPERUSER) chownSync(path, this.#owners.uid(entry.owner), this.#owners.gid(entry.group));
    chmodSync(path, permissions(entry.mode));
  }

  /** Every name that this machine has to know, before anything is written. @throws AgentError REFUSED */
  checkOwners(manifest: Manifest): void {
    if (!SUPERUSER) return;
    for (const { owner, group } of manifest) {
      this.#owners.uid(owner);
      this.#owners.gid(group);
    }
  }
}

/** Set-id bits need root to mean what they say. */
function permissions(mode: string): number {
  return Number.parseInt(mode, 8) & (SUPERUSER ? 0o7777 : 0o1777);
}

function writeWhole(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength; ) at += writeSync(fd, bytes, at);
}

/** A difference between a tree on disk and its manifest. */
export interface Drift {
  readonly path: string;
  readonly what: 'missing' | 'kind' | 'content' | 'mode' | 'owner';
}

/**
 * Compares a tree with its manifest.
 * @param depth `quick` trusts a file of the right size, `full` reads it
 */
export function compareTree(folder: string, manifest: Manifest, owners: Owners, depth: 'quick' | 'full'): Drift[] {
  const drift: Drift[] = [];
  for (const entry of manifest) {
    const what = differenceAt(join(folder, entry.path), entry, owners, depth);
    if (what) drift.push({ path: entry.path, what });
  }
  return drift;
}

/** How what is at a path differs from an entry; undefined where it does not. @param depth `unread`: all but the content of a file of the right size */
export function differenceAt(
  path: string,
  entry: Entry,
  owners: Owners,
  depth: 'quick' | 'unread' | 'full',
): Drift['what'] | undefined {
  const stats = lstatOf(path);
  if (!stats) return 'missing';
  if (kindOf(stats) !== entry.kind) return 'kind';
  if (entry.kind === 'file') {
    if (stats.size !== entry.size) return 'content';
    if (depth === 'full' && sha256(readFileSync(path)) !== entry.sha256) return 'content';
  }
  if (entry.kind === 'symlink' && readlinkSync(path) !== entry.target) return 'content';
  if (depth === 'quick') return undefined;
  if (entry.kind !== 'symlink' && (stats.mode & 0o7777) !== permissions(entry.mode)) return 'mode';
  const owned = !SUPERUSER || (owners.user(stats.uid) === entry.owner && owners.group(stats.gid) === entry.group);
  return owned || (stats.uid === owners.uid(entry.owner) && stats.gid === owners.gid(entry.group))
    ? undefined
    : 'owner';
}

function kindOf(stats: Stats): Entry['kind'] | 'other' {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  return stats.isSymbolicLink() ? 'symlink' : 'other';
}

/** What is at a path itself, links not followed; undefined when nothing is. */
export function lstatOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** The text of a link, or undefined where there is none. */
export function linkAt(path: string): string | undefined {
  return lstatOf(path)?.isSymbolicLink() ? readlinkSync(path) : undefined;
}

/** The name next to `path` under which its successor is made. One name, so that a crash leaves at most one to find. */
export function besides(path: string, word = 'quorate'): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const short = Buffer.byteLength(name) > NAME_MOST ? sha256(name).slice(0, 32) : name;
  return join(dirname(path), `.${short}.${word}`);
}

/** Bytes of a name that leave room for what `besides` adds, and a further `.new`: names end at 255. */
const NAME_MOST = 230;
