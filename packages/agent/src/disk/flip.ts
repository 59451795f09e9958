import { renameSync, rmSync, symlinkSync } from 'node:fs';
import { type BundlePaths, ORIGINAL, type TreeName } from './paths.ts';
import { linkAt } from './tree.ts';

/** The one step that makes another tree live: a rename over `current`. */
export function flip(paths: BundlePaths, to: TreeName): void {
  lead(paths.current, to);
}

/** The tree that `current` leads to; undefined before the first. */
export function liveTree(paths: BundlePaths): TreeName | undefined {
  return treeAt(paths.current);
}

/** The release that is live; undefined before the first, also while the first takes its place. */
export function liveRelease(paths: BundlePaths): TreeName | undefined {
  const live = liveTree(paths);
  return live === ORIGINAL ? undefined : live;
}

/**
 * Notes that a tree's reload has succeeded. A link rather than a line in the journal: it cannot tear, so it need not be synced, and one
 * that is lost with the machine costs a further reload.
 */
export function settle(paths: BundlePaths, tree: TreeName): void {
  lead(paths.settled, tree);
}

export function settledTree(paths: BundlePaths): TreeName | undefined {
  return treeAt(paths.settled);
}

function lead(link: string, to: TreeName): void {
  const text = `releases/${to}`;
  if (linkAt(link) === text) return;
  const fresh = `${link}.new`;
  rmSync(fresh, { force: true });
  symlinkSync(text, fresh);
  renameSync(fresh, link);
}

function treeAt(link: string): TreeName | undefined {
  const text = linkAt(link);
  if (text === undefined) return undefined;
  return text.slice(text.lastIndexOf('/') + 1);
}
