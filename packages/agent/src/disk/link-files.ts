import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Entry } from '@quorate/model';
import { AgentError } from '../errors.ts';
import { flip, snapshot } from './flip.ts';
import type { Ground, Linking, Move, StagedTree } from './linking.ts';
import { ORIGINAL } from './paths.ts';
import { besides, linkAt, lstatOf } from './tree.ts';

/** `link: files`: each file of the release is a symlink at its native place; neighbours stay as they are. */
export class FilesLinking implements Linking {
  readonly #ground: Ground;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  check({ from, to, adopted }: Move): void {
    checkFolders(this.#ground, to);
    const managed = new Set(adopted ? pathsOf(this.#ground, from) : []);
    for (const path of pathsOf(this.#ground, to)) {
      const there = lstatOf(this.#native(path));
      if (!there || this.#linked(path)) continue;
      if (there.isDirectory())
        throw new AgentError(
          'REPLACED',
          `${this.#native(path)} is a folder, the release has a file there: move it away`,
        );
      if (managed.has(path)) {
        throw new AgentError(
          'REPLACED',
          `${this.#native(path)} was a symlink of Quorate and was replaced by hand: publish it (quorate publish, without a folder), or move it away`,
        );
      }
    }
  }

  needsSteps({ from, to, adopted }: Move): boolean {
    const before = adopted ? pathsOf(this.#ground, from) : [];
    const after = pathsOf(this.#ground, to);
    return !adopted || before.length !== after.length || after.some((path) => !this.#linked(path));
  }

  before({ from, to, adopted }: Move): boolean {
    const { paths } = this.#ground;
    const original = paths.tree(ORIGINAL);
    if (!adopted) {
      mkdirSync(original, { recursive: true });
      if (from === undefined || from.name === ORIGINAL) flip(paths, ORIGINAL);
    }
    makeFolders(this.#ground, to);
    for (const path of pathsOf(this.#ground, to)) {
      const native = this.#native(path);
      if (this.#linked(path)) continue;
      if (lstatOf(native)) {
        keepOriginal(this.#ground, path);
        // until the flip the link must still show what is there now
        const live = from && from.name !== ORIGINAL ? join(paths.tree(from.name), path) : undefined;
        if (live && !lstatOf(live)) {
          mkdirSync(dirname(live), { recursive: true });
          snapshot(native, live);
        }
      }
      const fresh = besides(native);
      rmSync(fresh, { force: true });
      symlinkSync(this.#text(path), fresh);
      renameSync(fresh, native);
    }
    return readdirSync(original).length > 0;
  }

  after({ from, to }: Move): void {
    const stays = new Set(pathsOf(this.#ground, to));
    for (const path of pathsOf(this.#ground, from))
      if (!stays.has(path) && this.#linked(path)) rmSync(this.#native(path));
    if (from) removeFolders(this.#ground, from, to);
  }

  leave(tree: StagedTree): void {
    for (const path of pathsOf(this.#ground, tree)) {
      const native = this.#native(path);
      rmSync(besides(native), { force: true });
      if (!this.#linked(path)) continue;
      snapshot(join(this.#ground.paths.tree(tree.name), path), besides(native));
      renameSync(besides(native), native);
    }
  }

  vanish(tree: StagedTree): void {
    for (const path of pathsOf(this.#ground, tree)) if (this.#linked(path)) rmSync(this.#native(path));
    removeFolders(this.#ground, tree, undefined);
  }

  #native(path: string): string {
    return join(this.#ground.native, path);
  }

  #text(path: string): string {
    const { paths } = this.#ground;
    return paths.linkText(this.#native(path), join(paths.current, path));
  }

  #linked(path: string): boolean {
    return linkAt(this.#native(path)) === this.#text(path);
  }
}

/** Files and symlinks of a tree; of the original, those that were really there. */
export function pathsOf({ paths }: Ground, tree: StagedTree | undefined): string[] {
  if (!tree) return [];
  const own = tree.manifest.filter((entry) => entry.kind !== 'directory').map(({ path }) => path);
  return tree.name === ORIGINAL ? own.filter((path) => lstatOf(join(paths.tree(ORIGINAL), path))) : own;
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

/** Folders that the release does not have any more, where nothing else lives in them. */
export function removeFolders({ native }: Ground, from: StagedTree, to: StagedTree | undefined): void {
  const stays = new Set(to?.manifest.map(({ path }) => path));
  for (const entry of from.manifest.toReversed()) {
    if (entry.kind !== 'directory' || entry.path === '.' || stays.has(entry.path)) continue;
    try {
      rmdirSync(join(native, entry.path));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOENT') throw error; // it has neighbours of its own, or is gone
    }
  }
}

/** What was native at a path before Quorate, once. */
export function keepOriginal({ native, paths }: Ground, path: string): void {
  const kept = join(paths.tree(ORIGINAL), path);
  if (lstatOf(kept)) return;
  mkdirSync(dirname(kept), { recursive: true });
  snapshot(join(native, path), kept);
}
