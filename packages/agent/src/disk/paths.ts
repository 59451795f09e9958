import { dirname, join, relative } from 'node:path';

/**
 * A tree below `releases/`: named by its release's number, with a suffix where another release has had that number here (the store was made
 * anew), or `original`.
 */
export type TreeName = string;

/** What was native before the first adoption. */
export const ORIGINAL: TreeName = 'original';

/** Where things of one bundle are on this machine. Pure. */
export class BundlePaths {
  /** the bundle's own folder below the state folder */
  readonly folder: string;
  /** native paths are taken below this */
  readonly root: string;

  constructor(state: string, root: string, bundle: string) {
    this.folder = join(state, bundle);
    this.root = root;
  }

  get releases(): string {
    return join(this.folder, 'releases');
  }

  get packs(): string {
    return join(this.folder, 'packs');
  }

  get current(): string {
    return join(this.folder, 'current');
  }

  /** where native links lead to: `current`, as they know it */
  get entrance(): string {
    return this.current;
  }

  /** folders that have to be laid over that of `entrance`, so that the trees are in it */
  get layers(): readonly string[] {
    return [];
  }

  /** leads to the tree whose reload has succeeded */
  get settled(): string {
    return join(this.folder, 'settled');
  }

  get journal(): string {
    return join(this.folder, 'state.json');
  }

  /** the native folder itself, where it could be moved here instead of copied */
  get kept(): string {
    return join(this.folder, 'kept');
  }

  /** the next release's tree in advance */
  get spare(): string {
    return join(this.folder, 'spare');
  }

  /** edits that were put right are kept here */
  get aside(): string {
    return join(this.folder, 'aside');
  }

  /** edits that wait for the end of a rollout */
  get waiting(): string {
    return join(this.folder, 'waiting');
  }

  tree(name: TreeName): string {
    return join(this.releases, name);
  }

  native(path: string): string {
    return join(this.root, path);
  }

  /**
   * The text of a link at `at` to `target`. Below a root of its own it is relative, so that it means the same from the host and from inside.
   */
  linkText(at: string, target: string): string {
    return this.root === '/' ? target : relative(dirname(at), target);
  }
}
