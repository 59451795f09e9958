import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BundleDefinition } from '@quorate/model';
import type { BundleState } from './bundle-state.ts';
import { syncFileSystem } from './durable.ts';
import type { Journal, Place } from './journal.ts';
import type { StagedRelease } from './linking.ts';
import { ORIGINAL } from './paths.ts';
import { lstatOf } from './tree.ts';

/** Takes what `unmanaging` notes to its end: native places become plain, then the bundle's folder goes. */
export function endHere(at: BundleState): void {
  const { unmanaging, place } = at.journal;
  const { folder, aside, journal } = at.paths;
  if (unmanaging?.tree !== undefined && place) {
    leave(at, place, at.trees.staged(unmanaging.tree), unmanaging.original);
    at.note({ format: 1, unmanaging: { original: unmanaging.original } });
  }
  if (lstatOf(aside)) {
    const kept = freeName(join(at.options.state, `${at.options.bundle}~aside`));
    renameSync(aside, kept);
    at.log(`edits that were kept aside are in ${kept} now`);
  }
  // the journal last: a crash must find it as long as anything is left
  for (const name of readdirSync(folder)) {
    if (join(folder, name) !== journal) rmSync(join(folder, name), { recursive: true, force: true });
  }
  rmSync(folder, { recursive: true, force: true });
}

/**
 * Where the next release has another root or link mode, the place of the one before becomes plain files first.
 * @param original what was native before instead, for a release that failed
 */
export function leaveOldPlace(
  at: BundleState,
  live: StagedRelease | undefined,
  next: BundleDefinition,
  original = false,
): void {
  const { place, ...rest } = at.journal;
  if (!place || !live || at.samePlace(next)) return;
  const leaving = { place, tree: live.name, original, away: next.root !== place.native };
  at.note({ ...rest, leaving });
  finishLeaving(at, leaving);
}

export function finishLeaving(at: BundleState, leaving: NonNullable<Journal['leaving']>): void {
  const { place, tree, original, away } = leaving;
  leave(at, place, at.trees.staged(tree), original);
  if (away) setOriginalAside(at, tree);
  const { leaving: _, ...rest } = at.journal;
  at.note(rest);
}

/** What was native at a root that the bundle has left is nobody's original any more, and is not lost either. */
function setOriginalAside({ paths }: BundleState, tree: string): void {
  for (const path of [paths.tree(ORIGINAL), paths.kept]) {
    if (!lstatOf(path)) continue;
    mkdirSync(paths.aside, { recursive: true, mode: 0o700 });
    renameSync(path, freeName(join(paths.aside, `before-release-${tree}`)));
  }
}

export function leave(at: BundleState, place: Place, tree: StagedRelease, original: boolean): void {
  const definition = { root: place.native, link: place.link };
  if (!lstatOf(dirname(at.paths.native(place.native)))) return; // nothing of ours is where nothing is
  const linking = at.linking(definition);
  if (original) linking.restore(tree);
  else linking.leave(tree);
  syncFileSystem(dirname(at.ground(definition).native));
}

function freeName(path: string): string {
  let free = path;
  for (let again = 2; lstatOf(free); again++) free = `${path}-${again}`;
  return free;
}
