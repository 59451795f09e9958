import { execFileSync } from 'node:child_process';
import { renameSync, rmSync, symlinkSync } from 'node:fs';
import { AgentError } from '../errors.ts';
import { exchange } from './exchange.ts';
import { flip, snapshot } from './flip.ts';
import type { Ground, Linking, Move, StagedTree } from './linking.ts';
import { ORIGINAL } from './paths.ts';
import { besides, linkAt, lstatOf } from './tree.ts';

/** `link: directory`: the native root is one symlink to `current`. */
export class DirectoryLinking implements Linking {
  readonly #ground: Ground;
  readonly #text: string;

  constructor(ground: Ground) {
    this.#ground = ground;
    this.#text = ground.paths.linkText(ground.native, ground.paths.current);
  }

  check({ adopted }: Move): void {
    const { native } = this.#ground;
    const there = lstatOf(native);
    const link = linkAt(native);
    if (!there || link === this.#text) return;
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
        `${native} was a symlink of Quorate and is a folder now: publish what it holds and remove it, or move it away`,
      );
    }
  }

  needsSteps({ adopted }: Move): boolean {
    return !adopted || linkAt(this.#ground.native) !== this.#text;
  }

  before(): boolean {
    const { native, paths } = this.#ground;
    const [beside, old] = [besides(native), besides(native, 'quorate-old')];
    // the two renames of a swap without a helper were cut off between each other
    if (!lstatOf(native) && lstatOf(old)) renameSync(old, native);
    if (linkAt(native) !== this.#text) {
      if (linkAt(beside) !== undefined) rmSync(beside);
      const there = lstatOf(native) !== undefined;
      if (there) {
        snapshot(native, paths.tree(ORIGINAL));
        flip(paths, ORIGINAL);
      }
      symlinkSync(this.#text, beside);
      if (!there) renameSync(beside, native);
      else if (!exchange(native, beside, old))
        this.#ground.log(
          `${native} was absent for an instant: no helper to swap two names was found (perl, python3 or exch)`,
        );
    }
    this.#keep(beside);
    return lstatOf(paths.tree(ORIGINAL)) !== undefined;
  }

  after(): void {}

  /** The native folder itself is kept until the bundle is left; its copy serves where it lies on another file system. */
  #keep(folder: string): void {
    if (!lstatOf(folder)?.isDirectory()) return;
    const { kept } = this.#ground.paths;
    rmSync(kept, { recursive: true, force: true });
    try {
      renameSync(folder, kept);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
      rmSync(folder, { recursive: true });
    }
  }

  leave(tree: StagedTree): void {
    const { native, paths } = this.#ground;
    const [beside, old] = [besides(native), besides(native, 'quorate-old')];
    if (!lstatOf(native) && lstatOf(old)) renameSync(old, native);
    if (linkAt(native) === this.#text) {
      rmSync(beside, { recursive: true, force: true });
      const whole = tree.name === ORIGINAL && lstatOf(paths.kept) ? paths.kept : paths.tree(tree.name);
      execFileSync('cp', ['-a', '--', whole, beside]);
      execFileSync('sync', ['-f', beside]);
      exchange(native, beside, old);
    }
    rmSync(beside, { recursive: true, force: true });
  }

  vanish(): void {
    const { native } = this.#ground;
    if (linkAt(native) === this.#text) rmSync(native);
  }
}
