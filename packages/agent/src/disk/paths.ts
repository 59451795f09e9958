import { dirname, join, relative } from 'node:path';

/** A staged tree: a release by its number, or what was native before the first adoption. */
export type TreeName = number | 'original';

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

  get journal(): string {
    return join(this.folder, 'state.json');
  }

  /** the native folder itself, where it could be moved here instead of copied */
  get kept(): string {
    return join(this.folder, 'kept');
  }

  /** edits that were put right are kept here */
  get aside(): string {
    return join(this.folder, 'aside');
  }

  tree(name: TreeName): string {
    return join(this.releases, String(name));
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
