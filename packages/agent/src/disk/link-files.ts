import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AgentError } from '../errors.ts';
import { copyNative, snapshot } from './copy.ts';
import { syncFile, syncFolder } from './durable.ts';
import { flip, liveTree } from './flip.ts';
import {
  type Ground,
  givesWay,
  type Linking,
  type Move,
  originalOf,
  type StagedRelease,
  type StagedTree,
  staysInPlace,
} from './linking.ts';
import {
  checkFolders,
  keepOriginals,
  makeFolders,
  ownPaths,
  pathsOf,
  removeFolders,
  restoreRest,
} from './originals.ts';
import { ORIGINAL } from './paths.ts';
import { besides, differenceAt, linkAt, lstatOf } from './tree.ts';

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
      if (managed.has(path) && !givesWay(from) && !this.#holds(path, to)) {
        throw new AgentError(
          'REPLACED',
          `${this.#native(path)} was a symlink of Quorate and was replaced by hand: publish it (quorate drift adopt), put it back (quorate drift restore), or move it away`,
        );
      }
    }
  }

  needsSteps({ from, to, adopted }: Move): boolean {
    const before = adopted ? pathsOf(this.#ground, from) : [];
    const after = pathsOf(this.#ground, to);
    return !adopted || before.length !== after.length || after.some((path) => !this.#linked(path));
  }

  keep(move: Move): void {
    const own = ownPaths(this.#ground, move);
    keepOriginals(this.#ground, move, (path) => own.has(path) || this.#linked(path));
  }

  before(move: Move): void {
    const { paths } = this.#ground;
    const { from, to, adopted } = move;
    if (!staysInPlace(move) && liveTree(paths) !== to.name) {
      flip(paths, ORIGINAL);
      syncFolder(paths.folder);
    }
    makeFolders(this.#ground, to);
    // plain files that another link mode left become links too: those that the release does not have vanish with the flip
    const plain = adopted ? [] : [...ownPaths(this.#ground, move)].filter((path) => lstatOf(this.#native(path)));
    const links = new Set([...pathsOf(this.#ground, to), ...plain]);
    const ours = adopted && from && staysInPlace(move) ? ownPaths(this.#ground, move) : new Set<string>();
    const touched = new Set<string>();
    for (const path of links) {
      if (this.#linked(path) || (move.only && !move.only.includes(path))) continue;
      if (from && staysInPlace(move)) this.#showStill(path, from);
      if (ours.has(path)) this.#keepEdit(path, move);
      this.#link(path);
      touched.add(dirname(this.#native(path)));
    }
    for (const folder of touched) syncFolder(folder);
  }

  /** Whether what is at a native place is what a release has there. */
  #holds(path: string, to: StagedTree): boolean {
    const entry = to.manifest.find((one) => one.path === path);
    return entry !== undefined && differenceAt(this.#native(path), entry, this.#ground.owners, 'full') === undefined;
  }

  /** What was put in the place of a link was edited by hand: it is kept aside where no release has it. */
  #keepEdit(path: string, { from, to }: Move): void {
    if (this.#holds(path, to) || (from && this.#holds(path, from))) return;
    const kept = this.#ground.aside.keep(this.#native(path), path);
    if (kept !== undefined && !lstatOf(kept)?.isDirectory()) syncFile(kept);
  }

  /** Until the flip the link must still show what is there now. */
  #showStill(path: string, from: StagedRelease): void {
    const live = join(this.#ground.paths.tree(from.name), path);
    if (!lstatOf(this.#native(path)) || lstatOf(live)) return;
    mkdirSync(dirname(live), { recursive: true });
    snapshot(this.#native(path), live);
  }

  #link(path: string): void {
    const fresh = besides(this.#native(path));
    rmSync(fresh, { force: true });
    symlinkSync(this.#text(path), fresh);
    renameSync(fresh, this.#native(path));
  }

  after(move: Move): void {
    const stays = new Set(pathsOf(this.#ground, move.to));
    this.#unlink([...ownPaths(this.#ground, move)].filter((path) => !stays.has(path)));
    if (move.from && staysInPlace(move)) removeFolders(this.#ground, move.from, move.to);
  }

  #unlink(paths: readonly string[]): void {
    for (const path of paths) if (this.#linked(path)) rmSync(this.#native(path));
  }

  leave(tree: StagedRelease): void {
    this.#plain(tree);
  }

  restore(tree: StagedRelease): void {
    const { paths } = this.#ground;
    flip(paths, ORIGINAL);
    const original = originalOf(tree);
    const was = new Set(pathsOf(this.#ground, original));
    this.#unlink(pathsOf(this.#ground, tree).filter((path) => !was.has(path)));
    this.#plain(original);
    removeFolders(this.#ground, tree, original);
    restoreRest(this.#ground);
  }

  #plain(tree: StagedTree): void {
    for (const path of pathsOf(this.#ground, tree)) {
      const native = this.#native(path);
      rmSync(besides(native), { force: true });
      if (!this.#linked(path)) continue;
      copyNative(join(this.#ground.paths.tree(tree.name), path), besides(native));
      renameSync(besides(native), native);
    }
  }

  #native(path: string): string {
    return join(this.#ground.native, path);
  }

  #text(path: string): string {
    const { paths } = this.#ground;
    return paths.linkText(this.#native(path), join(paths.entrance, path));
  }

  #linked(path: string): boolean {
    return linkAt(this.#native(path)) === this.#text(path);
  }
}
