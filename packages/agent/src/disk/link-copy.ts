import { readFileSync, readlinkSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Entry } from '@quorate/model';
import { AgentError } from '../errors.ts';
import { copyNative } from './copy.ts';
import { syncFile, syncFolder } from './durable.ts';
import {
  type Ground,
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
import { besides, compareTree, lstatOf } from './tree.ts';

/** `link: copy`: regular files, replaced one after the other, each atomically; a crash is rolled forward from the journal. */
export class CopyLinking implements Linking {
  readonly #ground: Ground;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  check({ to }: Move): void {
    checkFolders(this.#ground, to);
    for (const path of pathsOf(this.#ground, to)) {
      if (lstatOf(this.#native(path))?.isDirectory()) {
        throw new AgentError(
          'REPLACED',
          `${this.#native(path)} is a folder, the release has a file there: move it away`,
        );
      }
    }
  }

  needsSteps(): boolean {
    return true;
  }

  keep(move: Move): void {
    const own = ownPaths(this.#ground, move);
    keepOriginals(this.#ground, move, (path) => own.has(path));
  }

  before(move: Move): void {
    const { to } = move;
    const from = staysInPlace(move) ? move.from : undefined;
    makeFolders(this.#ground, to);
    const touched = new Set<string>();
    for (const entry of to.manifest) {
      if (entry.kind === 'directory') continue;
      if (move.only && !move.only.includes(entry.path)) continue;
      const native = this.#native(entry.path);
      rmSync(besides(native), { force: true });
      if (lstatOf(native) && this.#same(entry)) continue;
      if (from) this.#keepEdit(entry.path, from, to);
      this.#replace(entry.path, entry, to);
      touched.add(dirname(native));
    }
    for (const folder of touched) syncFolder(folder);
  }

  after(move: Move): void {
    if (!move.from || !staysInPlace(move)) return;
    this.#removeOthers(move.from, move.to);
  }

  leave(): void {}

  restore(tree: StagedRelease): void {
    const original = originalOf(tree);
    for (const path of pathsOf(this.#ground, original)) {
      rmSync(besides(this.#native(path)), { force: true });
      this.#keepEdit(path, tree, original);
      this.#replace(path, undefined, original);
    }
    this.#removeOthers(tree, original);
    restoreRest(this.#ground);
  }

  #removeOthers(from: StagedTree, to: StagedTree): void {
    const stays = new Set(pathsOf(this.#ground, to));
    for (const path of pathsOf(this.#ground, from)) {
      if (stays.has(path)) continue;
      this.#keepEdit(path, from, to);
      rmSync(this.#native(path), { force: true });
    }
    removeFolders(this.#ground, from, to);
  }

  #native(path: string): string {
    return join(this.#ground.native, path);
  }

  #same(entry: Entry): boolean {
    return compareTree(this.#ground.native, [entry], this.#ground.owners, 'full').length === 0;
  }

  /** @param entry undefined for an original: it is copied as it is */
  #replace(path: string, entry: Entry | undefined, to: StagedTree): void {
    const { paths, writer } = this.#ground;
    const [native, fresh, staged] = [this.#native(path), besides(this.#native(path)), join(paths.tree(to.name), path)];
    if (entry?.kind === 'symlink') writer.symlink(fresh, entry);
    else if (entry?.kind === 'file') writer.file(fresh, entry, readFileSync(staged));
    else copyNative(staged, fresh);
    if (lstatOf(fresh)?.isFile()) syncFile(fresh);
    renameSync(fresh, native);
  }

  /** A file that is neither what we left there nor what comes was edited by hand: it is kept aside. */
  #keepEdit(path: string, from: StagedTree, to: StagedTree): void {
    const [native, { paths, aside }] = [this.#native(path), this.#ground];
    const now = contentOf(native);
    if (now === undefined) return;
    const expected = [from, to].map(({ name }) => contentOf(join(paths.tree(name), path)));
    if (expected.includes(now)) return;
    aside.keep(native, path);
  }
}

function contentOf(place: string): string | undefined {
  const there = lstatOf(place);
  if (there?.isSymbolicLink()) return `-> ${readlinkSync(place)}`;
  return there?.isFile() ? readFileSync(place, 'latin1') : undefined;
}
