import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { DEFAULT_IGNORE, type Edit, type Entry, matchesAny, parentPath } from '@quorate/model';
import type { StagedTree } from './linking.ts';
import type { Owners } from './owners.ts';
import type { BundlePaths } from './paths.ts';
import { differenceAt, linkAt, lstatOf } from './tree.ts';

/** An edit, and where it is. */
export interface Found extends Edit {
  readonly place: string;
  /** another one whenever what is there is written or changed; empty where nothing is */
  readonly signature: string;
}

export interface Differing {
  readonly edits: readonly Found[];
  /** every folder in which an edit would show; with `names` just those of its names */
  readonly folders: ReadonlyMap<string, ReadonlySet<string> | 'all'>;
  /** files of the right size, owner and mode were believed: this process had just made them */
  readonly isUnread?: true;
}

/** A bundle's native paths, and what they are to be like. */
export interface Ours {
  readonly paths: BundlePaths;
  readonly owners: Owners;
  /** the native root on this machine, its parents resolved */
  readonly native: string;
  readonly live: StagedTree;
}

/** Signatures by place of what was found to be right: only what changed since is read again. */
export type Known = Map<string, string>;

/** Entries looked at before other work gets a turn. */
const BREATHE_AFTER = 256;

/** How what native paths resolve to differs from the applied release. Folders that are not the bundle's own count only by their being there. */
export async function differences(
  ours: Ours,
  known: Known = new Map(),
  depth: 'unread' | 'full' = 'full',
): Promise<Differing> {
  const search = new Search(ours, known, depth);
  if (ours.live.definition.link === 'directory') await search.folder();
  else await search.files();
  return { edits: search.edits, folders: search.folders };
}

class Search {
  readonly edits: Found[] = [];
  readonly folders = new Map<string, Set<string> | 'all'>();
  readonly #ours: Ours;
  readonly #known: Known;
  readonly #depth: 'unread' | 'full';
  /** paths of folders that are none here: nothing is looked for by way of what is there instead */
  readonly #gone = new Set<string>();
  #looked = 0;

  constructor(ours: Ours, known: Known, depth: 'unread' | 'full') {
    this.#ours = ours;
    this.#depth = depth;
    this.#known = known;
  }

  /** `link: directory`: all that is in the folder is the bundle's. */
  async folder(): Promise<void> {
    const { native, paths, live } = this.#ours;
    this.#watchName(native);
    let base = paths.tree(live.name);
    if (linkAt(native) !== paths.linkText(native, paths.entrance)) {
      const there = lstatOf(native);
      if (!there?.isDirectory()) {
        this.#add('.', there ? 'kind' : 'missing', native);
        return;
      }
      base = native;
      this.#add('.', 'link', native);
    }
    for (const entry of live.manifest) await this.#compare(entry, join(base, entry.path));
    const expected = new Map(live.manifest.map((entry) => [entry.path, entry]));
    await this.#added(base, '', expected);
  }

  async #added(base: string, folder: string, expected: ReadonlyMap<string, Entry>): Promise<void> {
    const { definition } = this.#ours.live;
    const ignored = [...DEFAULT_IGNORE, ...(definition.ignore ?? [])];
    const place = join(base, folder);
    this.folders.set(place, 'all');
    for (const name of readdirSync(place)) {
      const path = folder === '' ? name : `${folder}/${name}`;
      const isExpected = expected.has(path);
      if (!isExpected && (isTemporary(name) || matchesAny(path, ignored))) continue;
      const stats = lstatOf(join(place, name));
      if (!stats || !(stats.isDirectory() || stats.isFile() || stats.isSymbolicLink())) continue; // gone by now, or no configuration
      if (!isExpected) this.#add(path, 'added', join(place, name));
      if (stats.isDirectory()) await this.#added(base, path, expected);
      await this.#breathe();
    }
  }

  /** `link: files` and `link: copy`: other files live beside ours. */
  async files(): Promise<void> {
    const { native, paths, live } = this.#ours;
    this.#watchName(native);
    const tree = paths.tree(live.name);
    const isLinked = live.definition.link === 'files';
    for (const entry of live.manifest) {
      const place = join(native, entry.path);
      if (entry.kind === 'directory') {
        this.#shared(entry, place);
        if (isLinked && lstatOf(join(tree, entry.path))?.isDirectory()) this.folders.set(join(tree, entry.path), 'all');
        continue;
      }
      if (this.#gone.size > 0 && this.#isBelowGone(entry.path)) {
        this.#lost(entry.path, place);
        continue;
      }
      this.#watchName(place);
      const text = paths.linkText(place, join(paths.entrance, entry.path));
      if (!isLinked) await this.#compare(entry, place);
      else if (linkAt(place) === text) await this.#compare(entry, join(tree, entry.path));
      else await this.#replaced(entry, place);
    }
  }

  async #replaced(entry: Entry, place: string): Promise<void> {
    const before = this.edits.length;
    await this.#compare(entry, place);
    if (this.edits.length === before) this.#add(entry.path, 'link', place);
  }

  /** A folder in which others live too: its mode and owner are theirs. */
  #shared({ path }: Entry, place: string): void {
    const there = lstatOf(place);
    if (this.#isBelowGone(path)) this.#lost(path, place);
    else if (!there?.isDirectory()) this.#add(path, there ? 'kind' : 'missing', place);
    if (!there?.isDirectory()) this.#gone.add(path);
  }

  /** A link in the place of a folder may lead anywhere: what is behind it is not what this path has. */
  #isBelowGone(path: string): boolean {
    for (let at = parentPath(path); at !== '.'; at = parentPath(at)) if (this.#gone.has(at)) return true;
    return false;
  }

  #lost(path: string, place: string): void {
    this.#known.delete(place);
    this.#gone.add(path);
    this.edits.push({ path, what: 'missing', place, signature: '' });
  }

  async #compare(entry: Entry, place: string): Promise<void> {
    await this.#breathe();
    if (this.#gone.size > 0 && this.#isBelowGone(entry.path)) {
      this.#lost(entry.path, place);
      return;
    }
    const signature = signatureOf(place);
    if (signature !== '' && this.#known.get(place) === signature) return;
    const what = differenceAt(place, entry, this.#ours.owners, this.#depth);
    if (entry.kind === 'directory' && (what === 'kind' || what === 'missing')) this.#gone.add(entry.path);
    if (what) this.#add(entry.path, what, place, entry);
    else this.#known.set(place, signature);
  }

  #add(path: string, what: Edit['what'], place: string, entry?: Entry): void {
    const there = lstatOf(place);
    this.#known.delete(place);
    this.edits.push({
      path,
      what,
      place,
      signature: signatureOf(place),
      ...(entry?.kind === 'file' && entry.template ? { rendered: true } : {}),
      ...(there ? { by: this.#ours.owners.user(there.uid) } : {}),
    });
  }

  #watchName(place: string): void {
    const at = place.lastIndexOf('/');
    const [folder, name] = [place.slice(0, at) || '/', place.slice(at + 1)];
    const names = this.folders.get(folder);
    if (names === 'all' || !lstatOf(folder)?.isDirectory()) return;
    if (names) names.add(name);
    else this.folders.set(folder, new Set([name]));
  }

  async #breathe(): Promise<void> {
    if (++this.#looked % BREATHE_AFTER === 0) await breathe();
  }
}

/** Ours, on its way to its name: see `besides`. */
const isTemporary = (name: string): boolean => /^\..*\.quorate(-old)?(\.new)?$/.test(name) || name === '.quorate.json';

/** Changes with every change: the kernel sets the change time, and nobody can set it back. */
function signatureOf(place: string): string {
  const stats = lstatSync(place, { bigint: true, throwIfNoEntry: false });
  return stats ? [stats.dev, stats.ino, stats.ctimeNs, stats.size, stats.mode, stats.uid, stats.gid].join(':') : '';
}
