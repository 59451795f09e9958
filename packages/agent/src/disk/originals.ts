import { chmodSync, chownSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Entry } from '@quorate/model';
import { AgentError } from '../errors.ts';
import { copyNative, snapshot } from './copy.ts';
import { syncFileSystem } from './durable.ts';
import { type Ground, type Move, type StagedTree, staysInPlace } from './linking.ts';
import { ORIGINAL } from './paths.ts';
import { besides, lstatOf } from './tree.ts';

/** Files and symlinks of a tree; of the original, those that were really there. */
export function pathsOf({ paths }: Ground, tree: StagedTree | undefined): string[] {
  if (!tree) return [];
  const own = tree.manifest.filter((entry) => entry.kind !== 'directory').map(({ path }) => path);
  return tree.name === ORIGINAL ? own.filter((path) => lstatOf(join(paths.tree(ORIGINAL), path))) : own;
}

/** The release before has these files at this root: linked, or plain when it had another link mode. */
export function ownPaths(ground: Ground, move: Move): ReadonlySet<string> {
  return new Set(staysInPlace(move) ? pathsOf(ground, move.from) : []);
}

/** The originals of a release's files and folders, once each, durably. */
export function keepOriginals(ground: Ground, move: Move, isOurs: (path: string) => boolean): void {
  if (!lstatOf(ground.native)) return;
  const had = new Set(staysInPlace(move) ? move.from?.manifest.map(({ path }) => path) : []);
  let kept = 0;
  for (const { path, kind } of [{ path: '.', kind: 'directory' }, ...move.to.manifest]) {
    const there = lstatOf(join(ground.native, path));
    if (!there || isOurs(path) || had.has(path)) continue;
    if (kind === 'directory' ? keepFolder(ground, path) : keepOriginal(ground, path)) kept++;
  }
  if (kept > 0) syncFileSystem(ground.paths.folder);
}

/** What was native at a path before Quorate, once. @returns whether it was kept now */
export function keepOriginal({ native, paths }: Ground, path: string): boolean {
  const kept = join(paths.tree(ORIGINAL), path);
  if (lstatOf(kept)) return false;
  mkdirSync(dirname(kept), { recursive: true });
  snapshot(join(native, path), kept);
  return true;
}

/** That a folder was there before, with its owner and mode, but not what is in it. */
export function keepFolder({ native, paths }: Ground, path: string): boolean {
  const kept = join(paths.tree(ORIGINAL), path);
  const stats = lstatOf(join(native, path));
  if (!stats || lstatOf(kept)) return false;
  mkdirSync(kept, { recursive: true });
  if (process.geteuid?.() === 0) chownSync(kept, stats.uid, stats.gid);
  chmodSync(kept, stats.mode & 0o7777);
  return true;
}

/** Originals that are nowhere else any more: those of a time when the whole root was a link. */
export function restoreRest(ground: Ground, folder = ''): void {
  const original = join(ground.paths.tree(ORIGINAL), folder);
  if (!lstatOf(original)) return;
  for (const name of readdirSync(original)) {
    const path = folder === '' ? name : `${folder}/${name}`;
    const [from, to] = [join(original, name), join(ground.native, path)];
    const there = lstatOf(to);
    if (!there) copyWhole(from, to);
    else if (there.isDirectory() && lstatOf(from)?.isDirectory()) restoreRest(ground, path);
  }
}

function copyWhole(from: string, to: string): void {
  const fresh = besides(to);
  rmSync(fresh, { recursive: true, force: true });
  copyNative(from, fresh);
  renameSync(fresh, to);
}

/** Native folders must be folders: a symlink among them could lead anywhere. @throws AgentError REPLACED */
export function checkFolders({ native }: Ground, tree: StagedTree): void {
  for (const entry of tree.manifest) {
    if (entry.kind !== 'directory') continue;
    const place = join(native, entry.path);
    const there = lstatOf(place);
    if (there && !there.isDirectory())
      throw new AgentError('REPLACED', `${place} is no folder, the release has one there: move it away`);
  }
}

export function makeFolders({ native, writer }: Ground, tree: StagedTree): void {
  const missing = (entry: Entry): boolean => entry.kind === 'directory' && !lstatOf(join(native, entry.path));
  if (!lstatOf(native)) {
    const root = tree.manifest.find((entry) => entry.path === '.');
    if (root?.kind === 'directory') writer.directory(native, root);
    else mkdirSync(native);
  }
  for (const entry of tree.manifest) {
    if (entry.path !== '.' && entry.kind === 'directory' && missing(entry))
      writer.directory(join(native, entry.path), entry);
  }
}

/** Folders that the next tree does not have and that were not there before Quorate, where nothing else lives in them. */
export function removeFolders({ native, paths }: Ground, from: StagedTree, to: StagedTree): void {
  const original = paths.tree(ORIGINAL);
  const stays = new Set(to.name === ORIGINAL ? [] : ['.', ...to.manifest.map(({ path }) => path)]);
  for (const { path, kind } of [...from.manifest.toReversed(), { path: '.', kind: 'directory' }]) {
    if (kind !== 'directory' || stays.has(path) || lstatOf(join(original, path))) continue;
    try {
      rmdirSync(join(native, path));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOENT') throw error; // it has neighbours of its own, or is gone
    }
  }
}
