import { lstatSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { BlobRef, Release, Verdict } from '@quorate/model';
import type { Fetch } from './bundle.ts';
import type { BundleState } from './bundle-state.ts';
import { type Differing, differences, type Found, type Known } from './differences.ts';
import { syncFileSystem } from './durable.ts';
import { type Edited, editedOf } from './edited.ts';
import { isMissing } from './file-errors.ts';
import { liveRelease } from './flip.ts';
import type { StagedRelease } from './linking.ts';
import type { TreeName } from './paths.ts';
import { type OfferedEdits, WaitingEdits } from './waiting-edits.ts';

/** A file by which a person asks the agent of this machine to restore, with the paths as JSON, or empty for all; it is there until that is done. */
export const RESTORE_ASKED = 'restore-asked';

/** The edits at these paths and below them; all where none are given. */
export function editsAt<T extends { readonly path: string }>(edits: readonly T[], paths: readonly string[]): T[] {
  return edits.filter(
    ({ path }) => paths.length === 0 || paths.some((one) => path === one || path.startsWith(`${one}/`)),
  );
}

/** What is done with a bundle because of its drift. */
interface DriftingBundle {
  /** @param only these are not all edits; @returns what failed with the application, in words */
  putBack(edits: readonly Found[], only: boolean): Promise<string | undefined>;
  judge(release: Release, fetch: Fetch): Promise<Verdict>;
}

/** How what is on the disk differs from what was put there. */
export class BundleDrift {
  readonly #at: BundleState;
  readonly #bundle: DriftingBundle;
  #known: Known = new Map();
  /** the tree that it is known of */
  #tree: TreeName | undefined;
  #last: readonly Found[] = [];
  #waiting: readonly OfferedEdits[] = [];
  #moves = 0;
  readonly #waitingHere: WaitingEdits;

  constructor(at: BundleState, bundle: DriftingBundle) {
    this.#at = at;
    this.#waitingHere = new WaitingEdits(at.paths.waiting);
    this.#bundle = bundle;
  }

  /** What this machine says of a release with the edits in it: see `Bundle.offer`. */
  judge(release: Release, fetch: Fetch): Promise<Verdict> {
    return this.#bundle.judge(release, fetch);
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
    const isFresh = this.#tree !== undefined && this.#tree !== live.name;
    const isUnread = depth !== 'full' && isFresh;
    if (depth === 'full' || this.#tree !== live.name) this.#known = new Map();
    this.#tree = live.name;
    const { native } = this.#at.ground(live.definition);
    const { done } = changes;
    try {
      const found = await differences({ ...this.#at, native, live }, this.#known, isUnread ? 'unread' : 'full');
      if (changes.under > 0 || changes.done !== done) return undefined;
      this.#last = found.edits;
      return isUnread ? { ...found, isUnread } : found;
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
    this.#moves++;
    try {
      this.#waitingAreGone();
      if (edits.length === 0) return;
      this.keep(edits);
      putRight(this.#at, before, edits);
    } catch (error) {
      // they are in that tree still, and nothing takes it away without them
      this.#at.log(`edits of release ${before.number} could not be kept aside yet: ${(error as Error).message}`);
    }
  }

  /** How often another tree became live. */
  get moves(): number {
    return this.#moves;
  }

  /** Edits that were offered during a rollout, and are to be when it is over: it may take them from the disk before that. */
  get waiting(): readonly OfferedEdits[] {
    return this.#waiting;
  }

  /** They are offered again, also by an agent that is started anew. @throws what the disk says: then this one alone knows of them */
  wait(offered: OfferedEdits): void {
    const others = this.#waiting.filter(({ digest }) => digest !== offered.digest);
    this.#waiting = [...others, offered];
    this.#waitingHere.keep(offered);
  }

  waitNoMore({ digest }: Pick<OfferedEdits, 'digest'>): void {
    this.#waiting = this.#waiting.filter((one) => one.digest !== digest);
    this.#waitingHere.forget(digest);
  }

  /** What an agent before this one left waiting. @throws what the disk says */
  readWaiting(): void {
    const { packs } = this.#at;
    this.#waiting = this.#waitingHere.read(
      (ref) => packs.read(ref),
      (line) => this.#at.log(line),
    );
    const { release } = this;
    if (this.#waiting.some(({ edited }) => edited.base.id !== release?.id)) this.#waitingAreGone();
  }

  #waitingAreGone(): void {
    const here = this.#waiting.filter(({ isGone }) => !isGone);
    this.#waiting = this.#waiting.map((one) => ({ ...one, isGone: true }));
    for (const { digest } of here) this.#waitingHere.noteGone(digest);
  }

  /** Paths of edits that were kept aside. */
  kept(): string[] {
    return this.#at.aside.list();
  }

  /**
   * Puts back what the release has, keeps the edits aside, and has the application reload. @returns what failed with that, in words
   * @param paths these alone, and what is below them; all unless given
   */
  restore(edits: readonly Found[], paths: readonly string[] = []): Promise<string | undefined> {
    const chosen = editsAt(edits, paths);
    return this.#bundle.putBack(chosen, chosen.length < edits.length);
  }

  /** Paths that somebody asks to be restored; empty for all. */
  get asked(): readonly string[] | undefined {
    try {
      const text = readFileSync(join(this.folder, RESTORE_ASKED), 'utf8');
      return text === '' ? [] : (JSON.parse(text) as string[]);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  answered(): void {
    rmSync(join(this.folder, RESTORE_ASKED), { force: true });
  }

  /** The release with those edits that one can hold, read now. */
  edited(edits: readonly Found[]): Edited | undefined {
    const live = this.#at.live();
    if (!live) return undefined;
    const { trees, owners, packs } = this.#at;
    const { release } = trees.release(live.name);
    const editable = { release, source: trees.source(live.name), owners, read: (ref: BlobRef) => packs.read(ref) };
    return editedOf(editable, edits);
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
}

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
