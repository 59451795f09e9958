import { chmodSync, chownSync, mkdirSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type DirectoryEntry, parentPath } from '@quorate/model';
import type { Overlay } from '../hooks/index.ts';
import type { BundleState } from './bundle-state.ts';
import { liveTree } from './flip.ts';
import type { Ground, Move } from './linking.ts';
import { ownPaths, pathsOf } from './originals.ts';
import { ORIGINAL } from './paths.ts';
import { linkAt, lstatOf } from './tree.ts';

/**
 * What has to be laid over this machine's folders so that native paths look as they will after a move: `current` leads to the new tree, links
 * that will be made are there, those that will go are not. Nothing live is touched.
 * @param layer an empty folder, which is filled with what is laid over the native one
 */
export function viewAfter(at: BundleState, move: Move, layer: string): Overlay[] {
  const { link } = move.to.definition;
  const ground = at.ground(move.to.definition);
  const { native, paths } = ground;
  const view: Overlay[] = [];
  if (link !== 'directory' && lstatOf(native)?.isDirectory()) view.push(filesOver(at, ground, move, layer));
  else {
    const text = paths.linkText(native, link === 'copy' ? paths.tree(move.to.name) : paths.entrance);
    if (linkAt(native) !== text) view.push(linkOver(native, text));
  }
  // the bundle's own folder last: the layer lies in it
  if (link !== 'copy' && liveTree(paths) !== move.to.name)
    view.push(linkOver(paths.entrance, `${basename(paths.releases)}/${move.to.name}`, paths.layers));
  return view;
}

const linkOver = (place: string, text: string, layers: readonly string[] = []): Overlay => ({
  at: dirname(place),
  link: { name: basename(place), text },
  layers,
  goneFiles: [],
  goneFolders: [],
});

/** The native folder with the files of the release among their neighbours. */
function filesOver(at: BundleState, ground: Ground, move: Move, layer: string): Overlay {
  const { native, paths } = ground;
  const { to } = move;
  folderIn(layer, '.', ground);
  for (const entry of to.manifest) if (entry.kind === 'directory') folderIn(layer, entry.path, ground, entry);
  const gone = goneAfter(at, ground, move);
  if (to.definition.link === 'copy') return { at: native, layers: [layer, paths.tree(to.name)], ...gone };
  for (const path of pathsOf(ground, to)) {
    const text = textOf(ground, path);
    if (linkAt(join(native, path)) === text) continue;
    folderIn(layer, parentPath(path), ground);
    symlinkSync(text, join(layer, path));
  }
  return { at: native, layers: [layer], ...gone };
}

const textOf = ({ native, paths }: Ground, path: string): string =>
  paths.linkText(join(native, path), join(paths.entrance, path));

/** A folder that is there natively keeps its owner and mode: no way of linking changes them. */
function folderIn(layer: string, path: string, ground: Ground, entry?: DirectoryEntry): void {
  const place = join(layer, path);
  if (path !== '.') {
    if (lstatOf(place)) return;
    folderIn(layer, parentPath(path), ground);
    mkdirSync(place);
  }
  const there = lstatOf(join(ground.native, path));
  if (there) {
    chownSync(place, there.uid, there.gid);
    chmodSync(place, there.mode & 0o7777);
  } else if (entry) ground.writer.directoryAttributes(place, entry);
}

/** What the release before has there, and the next has not; a link that was replaced by hand is left alone. */
function goneAfter(at: BundleState, ground: Ground, move: Move): Pick<Overlay, 'goneFiles' | 'goneFolders'> {
  const { from, to } = move;
  if (!from || !at.journal.place) return { goneFiles: [], goneFolders: [] };
  const { native, paths } = ground;
  const stays = new Set(to.manifest.map(({ path }) => path));
  const linked = from.definition.link === 'files';
  const isOurs = (path: string): boolean =>
    linked ? linkAt(join(native, path)) === textOf(ground, path) : lstatOf(join(native, path)) !== undefined;
  const folders = from.manifest.filter(({ kind, path }) => kind === 'directory' && path !== '.').toReversed();
  return {
    goneFiles: [...ownPaths(ground, move)].filter((path) => !stays.has(path) && isOurs(path)),
    goneFolders: folders
      .map(({ path }) => path)
      .filter((path) => !stays.has(path) && lstatOf(join(native, path)) && !lstatOf(join(paths.tree(ORIGINAL), path))),
  };
}
