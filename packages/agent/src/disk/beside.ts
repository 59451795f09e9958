import { constants, copyFileSync, mkdirSync, readdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Bundle } from './bundle.ts';
import type { BundleOptions } from './bundle-state.ts';
import { fileError, isMissing } from './file-errors.ts';
import { BundlePaths, ORIGINAL, type TreeName } from './paths.ts';
import { lstatOf } from './tree.ts';

/** A name that no folder of an agent's has: laid over one, the trees in it are never mixed with others. */
const TREES = 'tried';

/** All that is written is below a folder of its own; native links and originals are those of the bundle as the agent keeps it. */
class PathsBeside extends BundlePaths {
  readonly #own: BundlePaths;

  constructor(folder: string, own: BundlePaths, bundle: string) {
    super(folder, own.root, bundle);
    this.#own = own;
  }

  override get releases(): string {
    return join(this.layers[0]!, TREES);
  }

  override get layers(): readonly string[] {
    return [join(this.folder, 'layer')];
  }

  override get entrance(): string {
    return this.#own.entrance;
  }

  override tree(name: TreeName): string {
    return name === ORIGINAL ? this.#own.tree(name) : super.tree(name);
  }
}

/** Each time the agent packs what it has anew in between. */
const TRIES = 3;

/**
 * A bundle to offer releases to, beside the agent that keeps it: it knows what is live here, writes below a folder of its own alone, and is never to be
 * applied or recovered.
 * @param folder empty; whoever gave it takes it away
 * @throws AgentError
 */
export function placeBeside(options: BundleOptions, folder: string): Bundle {
  const { state, root, bundle } = options;
  const own = new BundlePaths(state, root, bundle);
  // where the bundle has no folder, nothing can be laid over it
  const paths = lstatOf(own.folder) ? new PathsBeside(folder, own, bundle) : new BundlePaths(folder, root, bundle);
  for (let tries = 1; ; tries++) {
    try {
      mkdirSync(paths.packs, { recursive: true, mode: 0o700 });
      copyState(own, paths);
      return new Bundle({ ...options, paths });
    } catch (error) {
      if (!isMissing(error) || tries === TRIES) throw fileError(`the state of ${bundle} cannot be read`, error);
    }
  }
}

/** What is live, and the content that is here. */
function copyState(from: BundlePaths, to: BundlePaths): void {
  if (from.entrance !== to.entrance || !lstatOf(from.journal)) return;
  for (const name of readdirSync(from.packs))
    copyFileSync(join(from.packs, name), join(to.packs, name), constants.COPYFILE_FICLONE);
  copyFileSync(from.journal, to.journal);
  if (lstatOf(from.current) && !lstatOf(to.current)) symlinkSync(readlinkSync(from.current), to.current);
}
