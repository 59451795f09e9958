import { lstatSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Entry,
  isAdoptable,
  type Manifest,
  manifestOf,
  markTemplates,
  type Release,
  sha256,
} from '@quorate/model';
import type { BundleState } from './bundle-state.ts';
import { type Differing, differences, type Found, type Known } from './differences.ts';
import { syncFileSystem } from './durable.ts';
import { liveRelease } from './flip.ts';
import type { StagedRelease } from './linking.ts';
import { lstatOf } from './tree.ts';

/** A file by which a person asks the agent of this machine to restore; it is there until that is done. */
export const RESTORE_ASKED = 'restore-asked';

/** The applied release with the edits in it. */
export interface Edited {
  readonly base: Release;
  /** as it is published: templates, not what was made of them */
  readonly manifest: Manifest;
  read(sha256: string): Promise<Uint8Array>;
}

/** How what is on the disk differs from what was put there. */
export class BundleDrift {
  readonly #at: BundleState;
  readonly #putBack: (edits: readonly Found[]) => Promise<string | undefined>;
  #known: Known = new Map();
  #last: readonly Found[] = [];

  /** @param putBack @returns what failed with the application, in words */
  constructor(at: BundleState, putBack: (edits: readonly Found[]) => Promise<string | undefined>) {
    this.#at = at;
    this.#putBack = putBack;
  }

  /** The release that edits are seen against. */
  get release(): Release | undefined {
    const live = liveRelease(this.#at.paths);
    return live === undefined ? undefined : this.#at.trees.release(live).release;
  }

  /** The bundle's own folder here: `current` in it flips, and somebody may ask for something. */
  get folder(): string {
    return this.#at.paths.folder;
  }

  /**
   * What differs now; undefined where a release is on its way in or out meanwhile.
   * @param depth `changed` reads only what was touched since it was found to be right; `full` all of it
   */
  async look(depth: 'changed' | 'full'): Promise<Differing | undefined> {
    const { changes } = this.#at;
    const live = this.#at.live();
    if (changes.under > 0 || this.#at.journal.moving) return undefined;
    if (!live || !this.#at.journal.place) return { edits: [], folders: new Map() };
    if (depth === 'full') this.#known = new Map();
    const { native } = this.#at.ground(live.definition);
    const { done } = changes;
    try {
      const found = await differences({ ...this.#at, native, live }, this.#known);
      if (changes.under > 0 || changes.done !== done) return undefined;
      this.#last = found.edits;
      return found;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined; // it went while we looked: the next look tells
      throw error;
    }
  }

  /** When another tree is live: edits that were seen in the one before are kept aside, and it is as its release has it again. */
  left(before: StagedRelease): void {
    const tree = this.#at.paths.tree(before.name);
    const edits = this.#last.filter(({ place }) => place.startsWith(`${tree}/`));
    this.#last = [];
    if (edits.length === 0) return;
    try {
      this.keep(edits);
      putRight(this.#at, before, edits);
    } catch (error) {
      // they are in that tree still, and nothing takes it away without them
      this.#at.log(`edits of release ${before.number} could not be kept aside yet: ${(error as Error).message}`);
    }
  }

  /** Paths of edits that were kept aside. */
  kept(): string[] {
    return this.#at.aside.list();
  }

  /** Puts back what the release has, keeps the edits aside, and has the application reload. @returns what failed with that, in words */
  restore(edits: readonly Found[]): Promise<string | undefined> {
    return this.#putBack(edits);
  }

  get isAsked(): boolean {
    return lstatOf(join(this.folder, RESTORE_ASKED)) !== undefined;
  }

  answered(): void {
    rmSync(join(this.folder, RESTORE_ASKED), { force: true });
  }

  /** The release with those edits that one can hold, read now. */
  edited(edits: readonly Found[]): Edited | undefined {
    const live = this.#at.live();
    if (!live) return undefined;
    const { release } = this.#at.trees.release(live.name);
    const entries = new Map(this.#at.trees.source(live.name).map((entry) => [entry.path, entry]));
    const contents = new Map<string, Buffer>();
    for (const edit of edits.filter(isAdoptable)) {
      const [entry, bytes] = this.#entryAt(edit);
      const was = entries.get(edit.path);
      if (!entry) entries.delete(edit.path);
      else if (edit.rendered && was?.kind === 'file')
        entries.set(edit.path, { ...was, ...modeOf(entry), owner: entry.owner, group: entry.group });
      else entries.set(edit.path, entry);
      if (entry?.kind === 'file' && bytes) contents.set(entry.sha256, bytes);
    }
    return {
      base: release,
      manifest: markTemplates(release.definition, manifestOf(entries.values())),
      read: async (hash) => contents.get(hash) ?? this.#own(hash, live),
    };
  }

  /** These contents are in a release: they need not be kept aside. */
  released({ manifest }: Edited): void {
    for (const entry of manifest) if (entry.kind === 'file') this.#at.aside.isReleased(entry.sha256);
  }

  /** Keeps edits aside, and what a person has to look at: files with both versions between markers. */
  keep(edits: readonly Found[], conflicts: readonly { readonly path: string; readonly text?: string }[] = []): void {
    for (const { place, path, what } of edits)
      if (what === 'content' || what === 'added' || (what === 'kind' && path !== '.')) this.#at.aside.keep(place, path);
    for (const { path, text } of conflicts)
      if (text !== undefined)
        this.#at.log(`both versions of ${path} are in ${this.#at.aside.write(`${path}.conflict`, text)}`);
    if (edits.length > 0) syncFileSystem(this.folder);
  }

  #own(hash: string, live: StagedRelease): Buffer {
    const all = [...this.#at.trees.source(live.name), ...live.manifest];
    const entry = all.find((one) => one.kind === 'file' && one.sha256 === hash);
    if (entry?.kind !== 'file') throw new Error(`no file of release ${live.number} has the content ${hash}`);
    return this.#at.packs.read(entry);
  }

  #entryAt({ place, path }: Found): [Entry | undefined, Buffer?] {
    const stats = lstatOf(place);
    if (!stats) return [undefined];
    const { owners } = this.#at;
    const owned = { path, owner: owners.user(stats.uid), group: owners.group(stats.gid) };
    const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
    if (stats.isDirectory()) return [{ ...owned, kind: 'directory', mode }];
    if (stats.isSymbolicLink()) return [{ ...owned, kind: 'symlink', target: readlinkSync(place) }];
    const bytes = readFileSync(place);
    return [{ ...owned, kind: 'file', mode, size: bytes.byteLength, sha256: sha256(bytes) }, bytes];
  }
}

const modeOf = (entry: Entry): { mode: string } | object => (entry.kind === 'symlink' ? {} : { mode: entry.mode });

/** The release's entries where edits are, in its tree and where native folders are in the way; links and copies are made by the way of linking. */
export function putRight(at: BundleState, live: StagedRelease, edits: readonly Found[]): void {
  const tree = at.paths.tree(live.name);
  const inTree = edits.filter(({ place }) => place === tree || place.startsWith(`${tree}/`));
  for (const { place, what } of inTree.toReversed())
    if (what === 'added') rmSync(place, { recursive: true, force: true });
  at.trees.mend(
    live.name,
    live.manifest,
    inTree.flatMap(({ path, what }) => (what === 'added' || what === 'link' ? [] : [{ path, what }])),
  );
  if (live.definition.link === 'directory') return;
  const folders = new Set(live.manifest.filter(({ kind }) => kind === 'directory').map(({ path }) => path));
  for (const { path, place, what } of edits)
    if (what === 'kind' && !place.startsWith(`${tree}/`) && isInTheWay(place, folders.has(path)))
      rmSync(place, { recursive: true });
}

/** A rename over it would fail. */
function isInTheWay(place: string, wantsFolder: boolean): boolean {
  const stats = lstatSync(place, { throwIfNoEntry: false });
  return stats !== undefined && stats.isDirectory() !== wantsFolder;
}
