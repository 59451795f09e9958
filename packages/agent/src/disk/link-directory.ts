import { readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { AgentError } from '../errors.ts';
import { copyNative, snapshot } from './copy.ts';
import { syncFileSystem, syncFolder } from './durable.ts';
import { exchange } from './exchange.ts';
import { flip } from './flip.ts';
import { type Ground, givesWay, type Linking, type Move, type StagedRelease, staysInPlace } from './linking.ts';
import { keepFolder, keepOriginal } from './originals.ts';
import { ORIGINAL } from './paths.ts';
import { besides, linkAt, lstatOf } from './tree.ts';

/** `link: directory`: the native root is one symlink to `current`. */
export class DirectoryLinking implements Linking {
  readonly #ground: Ground;
  readonly #text: string;

  constructor(ground: Ground) {
    this.#ground = ground;
    this.#text = ground.paths.linkText(ground.native, ground.paths.entrance);
  }

  check({ from, adopted }: Move): void {
    const { native } = this.#ground;
    const there = lstatOf(native);
    const link = linkAt(native);
    if (!there || link === this.#text || (adopted && givesWay(from))) return;
    if (link !== undefined) {
      throw new AgentError(
        'REPLACED',
        `${native} is a symlink to ${link} that Quorate did not make: remove it, or put a folder in its place`,
      );
    }
    if (!there.isDirectory()) throw new AgentError('REPLACED', `${native} is no folder: move it away`);
    if (adopted) {
      throw new AgentError(
        'REPLACED',
        `${native} was a symlink of Quorate and is a folder now: publish what it holds (quorate drift adopt), put the link back (quorate drift restore), or move it away`,
      );
    }
  }

  needsSteps({ adopted }: Move): boolean {
    return !adopted || !this.#linked;
  }

  keep(move: Move): void {
    const { native, paths } = this.#ground;
    if (!lstatOf(native) || this.#linked || move.adopted) return;
    if (staysInPlace(move)) this.#keepNeighbours('', new Set(move.from?.manifest.map(({ path }) => path)));
    else snapshot(native, paths.tree(ORIGINAL));
    syncFileSystem(paths.folder);
  }

  /** After another link mode the folder holds our own files, among others that are originals too. */
  #keepNeighbours(folder: string, ours: ReadonlySet<string>): void {
    keepFolder(this.#ground, folder || '.');
    for (const name of readdirSync(join(this.#ground.native, folder))) {
      const path = folder === '' ? name : `${folder}/${name}`;
      if (!ours.has(path)) keepOriginal(this.#ground, path);
      else if (lstatOf(join(this.#ground.native, path))?.isDirectory()) this.#keepNeighbours(path, ours);
    }
  }

  before(move: Move): void {
    const { native, paths } = this.#ground;
    const { beside, old } = this.#names();
    if (!this.#linked) {
      if (linkAt(beside) !== undefined) rmSync(beside);
      const there = lstatOf(native) !== undefined;
      if (there && !staysInPlace(move)) {
        flip(paths, ORIGINAL);
        syncFolder(paths.folder);
      }
      symlinkSync(this.#text, beside);
      if (!there) renameSync(beside, native);
      else this.#exchange(beside, old);
      syncFolder(dirname(native));
    }
    if (move.adopted && lstatOf(beside)) this.#ground.aside.take(beside, basename(native));
    else if (lstatOf(beside)?.isDirectory()) this.#putAway(beside, staysInPlace(move));
  }

  after(): void {}

  /** The native folder itself is kept until the bundle is left; its copy serves where it lies on another file system, or where it held our own files. */
  #putAway(folder: string, ours: boolean): void {
    const { kept } = this.#ground.paths;
    rmSync(kept, { recursive: true, force: true });
    if (ours) rmSync(folder, { recursive: true });
    else
      try {
        renameSync(folder, kept);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
        rmSync(folder, { recursive: true });
      }
  }

  leave(tree: StagedRelease): void {
    this.#replaceLink(this.#ground.paths.tree(tree.name));
  }

  restore(): void {
    const { native, paths } = this.#ground;
    const original = paths.tree(ORIGINAL);
    if (lstatOf(original)) {
      flip(paths, ORIGINAL);
      this.#replaceLink(lstatOf(paths.kept) ? paths.kept : original);
    } else if (this.#linked) rmSync(native);
  }

  /** The link becomes a plain folder with a copy of `folder`. */
  #replaceLink(folder: string): void {
    const { beside, old } = this.#names();
    if (this.#linked) {
      rmSync(beside, { recursive: true, force: true });
      copyNative(folder, beside);
      syncFileSystem(beside);
      this.#exchange(beside, old);
    }
    rmSync(beside, { recursive: true, force: true });
  }

  get #linked(): boolean {
    return linkAt(this.#ground.native) === this.#text;
  }

  #names(): { beside: string; old: string } {
    const { native } = this.#ground;
    const [beside, old] = [besides(native), besides(native, 'quorate-old')];
    // the two renames of a swap without a helper were cut off between each other
    if (!lstatOf(native) && lstatOf(old)) renameSync(old, native);
    return { beside, old };
  }

  #exchange(beside: string, old: string): void {
    const { native, log } = this.#ground;
    if (!exchange(native, beside, old))
      log(`${native} was absent for an instant: no helper to swap two names was found (perl, python3 or exch)`);
  }
}
