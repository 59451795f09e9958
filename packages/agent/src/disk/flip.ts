import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import type { BundlePaths, TreeName } from './paths.ts';
import { linkAt, lstatOf } from './tree.ts';

/** The one step that makes another tree live: a rename over `current`. */
export function flip(paths: BundlePaths, to: TreeName): void {
  const text = `releases/${to}`;
  if (linkAt(paths.current) === text) return;
  const fresh = `${paths.current}.new`;
  rmSync(fresh, { force: true });
  symlinkSync(text, fresh);
  renameSync(fresh, paths.current);
}

/** The tree that `current` leads to; undefined before the first. */
export function liveTree(paths: BundlePaths): TreeName | undefined {
  const text = linkAt(paths.current);
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
