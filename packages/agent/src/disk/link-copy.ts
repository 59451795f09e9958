import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Entry } from '@quorate/model';
import { AgentError } from '../errors.ts';
import { snapshot } from './flip.ts';
import { checkFolders, keepOriginal, makeFolders, pathsOf, removeFolders } from './link-files.ts';
import type { Ground, Linking, Move, StagedTree } from './linking.ts';
import { ORIGINAL } from './paths.ts';
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

  before({ from, to }: Move): boolean {
    const { paths } = this.#ground;
    const managed = new Set(pathsOf(this.#ground, from));
    mkdirSync(paths.tree(ORIGINAL), { recursive: true });
    makeFolders(this.#ground, to);
    for (const path of pathsOf(this.#ground, to)) {
      const there = lstatOf(this.#native(path));
      if (there && !managed.has(path)) keepOriginal(this.#ground, path);
      const entry = to.manifest.find((entry) => entry.path === path)!;
      rmSync(besides(this.#native(path)), { force: true });
      if (to.name !== ORIGINAL && there && this.#same(entry)) continue;
      if (there && from) this.#keepEdit(path, from, to);
      this.#replace(path, entry, to);
    }
    return readdirSync(paths.tree(ORIGINAL)).length > 0;
  }

  after({ from, to }: Move): void {
    const stays = new Set(pathsOf(this.#ground, to));
    for (const path of pathsOf(this.#ground, from)) {
      if (stays.has(path)) continue;
      if (lstatOf(this.#native(path))) this.#keepEdit(path, from!, to);
      rmSync(this.#native(path), { force: true });
    }
    if (from) removeFolders(this.#ground, from, to);
  }

  leave(): void {}

  vanish(tree: StagedTree): void {
    for (const path of pathsOf(this.#ground, tree)) rmSync(this.#native(path), { force: true });
    removeFolders(this.#ground, tree, undefined);
  }

  #native(path: string): string {
    return join(this.#ground.native, path);
  }

  #same(entry: Entry): boolean {
    return compareTree(this.#ground.native, [entry], this.#ground.owners, 'full').length === 0;
  }

  #replace(path: string, entry: Entry, to: StagedTree): void {
    const { paths, writer } = this.#ground;
    const [native, fresh, staged] = [this.#native(path), besides(this.#native(path)), join(paths.tree(to.name), path)];
    if (to.name === ORIGINAL) snapshot(staged, fresh);
    else if (entry.kind === 'symlink') writer.symlink(fresh, entry);
    else if (entry.kind === 'file') writer.file(fresh, entry, readFileSync(staged));
    if (entry.kind === 'file' && lstatOf(fresh)?.isFile()) syncFile(fresh);
    renameSync(fresh, native);
  }

  /** A file that is neither what we left there nor what comes was edited by hand: it is kept aside. */
  #keepEdit(path: string, from: StagedTree, to: StagedTree): void {
    const [native, { paths }] = [this.#native(path), this.#ground];
    const stats = lstatOf(native);
    const content = (place: string): string | undefined => {
      const there = lstatOf(place);
      if (there?.isSymbolicLink()) return `-> ${readlinkSync(place)}`;
      return there?.isFile() ? readFileSync(place, 'latin1') : undefined;
    };
    const now = content(native);
    if (
      !stats ||
      now === content(join(paths.tree(from.name), path)) ||
      now === content(join(paths.tree(to.name), path))
    )
      return;
    const aside = join(paths.aside, path);
    mkdirSync(dirname(aside), { recursive: true, mode: 0o700 });
    snapshot(native, aside);
    this.#ground.log(`${native} was edited by hand; the edit is kept as ${aside}`);
  }
}

function syncFile(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
