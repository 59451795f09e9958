import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import type { BundlePaths, TreeName } from './paths.ts';
import { linkAt, lstatOf } from './tree.ts';

/** The one step that makes another tree live: a rename over `current`. */
export function flip(paths: BundlePaths, to: TreeName): void {
  lead(paths.current, to);
}

/** The tree that `current` leads to; undefined before the first. */
export function liveTree(paths: BundlePaths): TreeName | undefined {
  return treeAt(paths.current);
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

/** A faithful copy of what is native, owners, modes and extended attributes included; whole or not there. */
export function snapshot(from: string, to: string): void {
  const fresh = `${to}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(dirname(to), { recursive: true });
  execFileSync('cp', ['-a', '--reflink=auto', '--', from, fresh], { stdio: ['ignore', 'ignore', 'pipe'] });
  if (lstatOf(to)) rmSync(to, { recursive: true });
  renameSync(fresh, to);
}
