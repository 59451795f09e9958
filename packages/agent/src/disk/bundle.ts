import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type BlobRef, type BundleDefinition, type Manifest, manifestOf, type Release } from '@quorate/model';
import { awaitOrphan } from '../hooks/index.ts';
import { syncFileSystem } from './durable.ts';
import { fileError } from './file-errors.ts';
import { flip, liveRelease, liveTree, settle, settledTree } from './flip.ts';
import { bootId, type Failure, type Journal, type Moving, type Place, readJournal, writeJournal } from './journal.ts';
import { CopyLinking } from './link-copy.ts';
import { DirectoryLinking } from './link-directory.ts';
import { FilesLinking } from './link-files.ts';
import { type Ground, type Linking, type Move, originalOf, type StagedRelease, type StagedTree } from './linking.ts';
import { Owners } from './owners.ts';
import { Packs } from './packs.ts';
import { BundlePaths, ORIGINAL } from './paths.ts';
import { checkPolicy, type Policy, resolveNativeRoot } from './policy.ts';
import { hookRecord, reload } from './reload.ts';
import { compareTree, type Drift, lstatOf, TreeWriter } from './tree.ts';
import { type Applied, Trees } from './trees.ts';

export interface BundleOptions {
  /** the state folder, absolute */
  readonly state: string;
  /** native paths are taken below it */
  readonly root: string;
  readonly bundle: string;
  readonly policy: Policy;
  /** false where commands make no sense: while an image is built */
  readonly hooks?: boolean;
  readonly log?: (line: string) => void;
}

/** Where content comes from that this machine does not have. */
export interface Fetch {
  manifest(): Promise<Manifest>;
  blob(ref: BlobRef): Promise<Buffer>;
}

export interface ApplyResult {
  readonly state: 'applied' | 'rolled-back';
  /** what went wrong, with the end of the command's output */
  readonly detail?: string;
}

const LINKINGS = { directory: DirectoryLinking, files: FilesLinking, copy: CopyLinking };

/** Opens a bundle and finishes what a crash cut off: afterwards native paths resolve to exactly one release. */
export async function openBundle(options: BundleOptions): Promise<Bundle> {
  const bundle = placeBundle(options);
  await bundle.recover();
  return bundle;
}

/** A bundle as the disk has it, to be recovered before anything else is done with it. */
export function placeBundle(options: BundleOptions): Bundle {
  const bundle = new Bundle(options);
  return bundle.finishUnmanage() ? new Bundle(options) : bundle;
}

/** One bundle on this machine's disk. What `current` leads to is what is live. */
export class Bundle {
  readonly #options: BundleOptions;
  readonly #paths: BundlePaths;
  readonly #owners: Owners;
  readonly #writer: TreeWriter;
  readonly #packs: Packs;
  readonly #trees: Trees;
  #journal: Journal;

  constructor(options: BundleOptions) {
    this.#options = options;
    this.#paths = new BundlePaths(options.state, options.root, options.bundle);
    try {
      mkdirSync(this.#paths.releases, { recursive: true, mode: 0o755 });
      this.#journal = readJournal(this.#paths);
      this.#packs = new Packs(this.#paths.packs);
    } catch (error) {
      throw fileError(`the state of ${options.bundle} cannot be opened`, error);
    }
    this.#owners = new Owners(options.root);
    this.#writer = new TreeWriter(this.#owners);
    this.#trees = new Trees(this.#paths, this.#packs, this.#writer, this.#owners);
  }

  /** What native paths resolve to; undefined before the first release. */
  get applied(): Applied | undefined {
    const live = liveRelease(this.#paths);
    return live === undefined ? undefined : this.#trees.release(live);
  }

  /** Whether this machine holds some content already. */
  has(ref: BlobRef): boolean {
    return this.#packs.has(ref);
  }

  /**
   * Stages a release, flips to it, reloads and asks for its health; where that fails, the release before comes back and is reloaded.
   * Applying what is applied does nothing, and what failed here is not tried again until another release came.
   * @throws AgentError when it is refused or the disk does not let us: then nothing has changed
   */
  async apply(release: Release, fetch: Fetch): Promise<ApplyResult> {
    const { failed } = this.#journal;
    try {
      if (this.applied?.release.id === release.id && this.#linked()) return { state: 'applied' };
      if (failed?.id === release.id) return { state: 'rolled-back', detail: failed.detail };
      const manifest = manifestOf(await fetch.manifest());
      checkPolicy(this.#options.policy, release.definition, manifest);
      this.#writer.checkOwners(manifest);
      const { number, definition } = release;
      const to: StagedRelease = { name: this.#trees.nameFor(release), number, manifest, definition };
      const linking = this.#linking(to.definition);
      if (this.#samePlace(to.definition)) linking.check(this.#moveTo(to));
      await this.#trees.stage(to.name, release, manifest, (ref) => fetch.blob(ref));
      this.#leaveOldPlace(this.#live(), to.definition);
      linking.check(this.#moveTo(to));
      return await this.#move(this.#moveTo(to));
    } catch (error) {
      throw fileError(`release ${release.number} of ${this.#options.bundle} cannot be applied`, error);
    }
  }

  /** How the disk differs from the applied release. */
  verify(): Drift[] {
    const live = this.#live();
    if (!live) return [];
    const folder = live.definition.link === 'copy' ? this.#ground(live.definition).native : this.#paths.tree(live.name);
    return compareTree(folder, live.manifest, this.#owners, 'full');
  }

  /**
   * Leaves plain files at the native paths: those of the applied release, or what was there before the first.
   * Then Quorate's own folder of the bundle goes, but for edits that were kept aside. Doing it again is harmless.
   */
  async unmanage({ original = false }: { original?: boolean } = {}): Promise<void> {
    try {
      const live = this.#journal.place ? this.#live() : undefined;
      this.#note({ ...this.#journal, unmanaging: { original, ...(live ? { tree: live.name } : {}) } });
      this.#endHere();
    } catch (error) {
      throw fileError(`${this.#options.bundle} cannot be left`, error);
    }
  }

  #endHere(): void {
    const { unmanaging, place } = this.#journal;
    const { folder, aside, journal } = this.#paths;
    if (unmanaging?.tree !== undefined && place) {
      this.#leave(place, this.#trees.staged(unmanaging.tree), unmanaging.original);
      this.#note({ format: 1, unmanaging: { original: unmanaging.original } });
    }
    if (lstatOf(aside)) {
      const kept = join(this.#options.state, `${this.#options.bundle}~aside`);
      const place = lstatOf(kept) ? `${kept}-${Date.now()}` : kept;
      renameSync(aside, place);
      this.#options.log?.(`edits that were kept aside are in ${place} now`);
    }
    // the journal last: a crash must find it as long as anything is left
    for (const name of readdirSync(folder)) {
      if (join(folder, name) !== journal) rmSync(join(folder, name), { recursive: true, force: true });
    }
    rmSync(folder, { recursive: true, force: true });
  }

  /** Takes what was cut off to its end. */
  async recover(): Promise<void> {
    try {
      await awaitOrphan(hookRecord(this.#paths));
      if (this.#journal.leaving) this.#finishLeaving(this.#journal.leaving);
      if (this.#journal.moving) await this.#resume(this.#journal.moving);
      else await this.#settleFlip();
      if (!this.#journal.place && liveTree(this.#paths) === undefined) this.#forgetOriginal();
      this.#mend();
      this.#trees.prune();
    } catch (error) {
      throw fileError(`${this.#options.bundle} cannot be recovered`, error);
    }
  }

  /** Takes an end here that was cut off to its end. @returns whether there was one: the bundle must then be opened anew */
  finishUnmanage(): boolean {
    if (!this.#journal.unmanaging) return false;
    try {
      this.#endHere();
    } catch (error) {
      throw fileError(`${this.#options.bundle} cannot be left`, error);
    }
    return true;
  }

  /** Work for a quiet moment: clears away, and makes the next apply quick. Never fails: whatever it could not do, the next apply does. */
  async prepare(): Promise<void> {
    try {
      await this.#trees.prepare();
    } catch (error) {
      this.#options.log?.(
        `${this.#options.bundle}: nothing is prepared for the next release: ${(error as Error).message}`,
      );
    }
  }

  /** Clears away; what is applied stays. */
  close(): void {
    this.#trees.prune();
  }

  #note(journal: Journal): void {
    if (!isDeepStrictEqual(journal, this.#journal)) writeJournal(this.#paths, journal);
    this.#journal = journal;
  }

  #live(): StagedRelease | undefined {
    const tree = liveRelease(this.#paths);
    return tree === undefined ? undefined : this.#trees.staged(tree);
  }

  #moveTo(to: StagedRelease): Move {
    return { from: this.#live(), to, adopted: this.#journal.place !== undefined };
  }

  #ground(definition: BundleDefinition): Ground {
    const { policy, root, state, log } = this.#options;
    const native = resolveNativeRoot(policy, root, state, definition);
    return { paths: this.#paths, writer: this.#writer, owners: this.#owners, native, log: log ?? (() => undefined) };
  }

  #linking(definition: BundleDefinition): Linking {
    return new LINKINGS[definition.link](this.#ground(definition));
  }

  /** Whether the native paths are as the applied release has left them; cheap. */
  #linked(): boolean {
    const live = this.#live();
    if (!live || !this.#journal.place || this.#journal.moving) return false;
    if (live.definition.link === 'copy') return true;
    return !this.#linking(live.definition).needsSteps({ from: live, to: live, adopted: true });
  }

  /** Steps, flip, steps, hooks; and back where a hook fails. A move that is more than a flip is noted first. */
  async #move(move: Move, back?: Failure): Promise<ApplyResult> {
    const { from, to } = move;
    const linking = this.#linking(to.definition);
    if (back || linking.needsSteps(move)) {
      linking.keep(move);
      const moving = { ...(from ? { from: from.name } : {}), to: to.name, ...(back ? { back } : {}) };
      this.#note({ ...this.#journal, moving });
    }
    return this.#finish(move, back);
  }

  async #finish(move: Move, back?: Failure): Promise<ApplyResult> {
    const { from, to } = move;
    const linking = this.#linking(to.definition);
    linking.before(move);
    flip(this.#paths, to.name);
    linking.after(move);
    const place = { native: to.definition.root, link: to.definition.link };
    const fault = await this.#reload(to, from);
    if (fault && !back) {
      this.#journal = { ...this.#journal, place };
      return this.#goBack(move, fault);
    }
    this.#note({ format: 1, place, boot: bootId(), ...(back ? { failed: back } : {}) });
    settle(this.#paths, to.name);
    if (!back) return { state: 'applied' };
    return { state: 'rolled-back', detail: fault ? `${back.detail}\nand after going back: ${fault}` : back.detail };
  }

  async #goBack({ from, to }: Move, fault: string): Promise<ApplyResult> {
    const { release } = this.#trees.release(to.name);
    const back: Failure = { detail: `release ${release.number}: ${fault}`, id: release.id };
    if (from && from.name !== to.name) {
      this.#leaveOldPlace(to, from.definition, from.definition.root !== to.definition.root);
      return this.#move({ from: to, to: from, adopted: this.#journal.place !== undefined }, back);
    }
    this.#note({ ...this.#journal, moving: { from: to.name, to: 'nothing', back } });
    return this.#goToNothing(to, back);
  }

  /** Back to what was native before the first release, as if it had never been tried. */
  async #goToNothing(from: StagedRelease, back: Failure): Promise<ApplyResult> {
    const { root, link } = from.definition;
    const original = this.#hasOriginal ? originalOf(from) : undefined;
    this.#leave({ native: root, link }, from, true);
    rmSync(this.#paths.current, { force: true });
    rmSync(this.#paths.settled, { force: true });
    const fault = original && (await this.#reload(original, from));
    this.#note({ format: 1, failed: back });
    this.#forgetOriginal();
    return { state: 'rolled-back', detail: fault ? `${back.detail}\nand after going back: ${fault}` : back.detail };
  }

  /** Once it is back in its place. */
  #forgetOriginal(): void {
    for (const path of [this.#paths.tree(ORIGINAL), this.#paths.kept]) rmSync(path, { recursive: true, force: true });
  }

  get #hasOriginal(): boolean {
    return lstatOf(this.#paths.tree(ORIGINAL)) !== undefined;
  }

  /** @returns what failed, in words */
  async #reload(to: StagedTree, from: StagedRelease | undefined): Promise<string | undefined> {
    const { bundle, root, state, hooks } = this.#options;
    return hooks === false ? undefined : reload({ paths: this.#paths, bundle, root, state }, to, from);
  }

  /** A move that a crash cut off goes on from its beginning; every step of it may be repeated. */
  async #resume({ from, to, back }: Moving): Promise<void> {
    const origin = from === undefined ? undefined : this.#trees.staged(from);
    if (to === 'nothing') {
      if (origin && back) await this.#goToNothing(origin, back);
      return;
    }
    const target = this.#trees.staged(to);
    await this.#trees.complete(to, target.manifest);
    await this.#finish({ from: origin, to: target, adopted: this.#journal.place !== undefined }, back);
  }

  /** A flip without steps is known by `current` alone: its reload may not have finished. */
  async #settleFlip(): Promise<void> {
    const to = this.#live();
    const settled = settledTree(this.#paths);
    if (!to || to.name === settled || !this.#journal.place) return;
    await this.#trees.complete(to.name, to.manifest);
    const from = settled === undefined ? undefined : this.#trees.staged(settled);
    await this.#finish({ from, to, adopted: true });
  }

  /** After a start of the machine, files that were never synced are checked, and made anew from the packs. */
  #mend(): void {
    const live = this.#live();
    if (!live || !this.#journal.place) return;
    const restarted = this.#journal.boot !== bootId();
    const all = compareTree(this.#paths.tree(live.name), live.manifest, this.#owners, restarted ? 'full' : 'quick');
    const drift = all.filter(({ what }) => restarted || what === 'missing');
    if (drift.length > 0) {
      const which = drift.slice(0, 5).map(({ path, what }) => `${path} (${what})`);
      this.#options.log?.(
        `release ${live.number} of ${this.#options.bundle} is put right, what was there is in ${this.#paths.aside}: ${which.join(', ')}`,
      );
      this.#trees.mend(live.name, live.manifest, drift);
    }
    if (restarted) this.#noteBoot();
  }

  #noteBoot(): void {
    try {
      this.#note({ ...this.#journal, boot: bootId() });
    } catch (error) {
      // a full or read-only disk costs a further look at the next start; what is applied serves on
      this.#options.log?.(
        `${this.#options.bundle}: ${(fileError('this start cannot be noted', error) as Error).message}`,
      );
    }
  }

  #samePlace({ root, link }: BundleDefinition): boolean {
    const { place } = this.#journal;
    return !place || (place.native === root && place.link === link);
  }

  /** Where the next release has another root or link mode, the place of the one before becomes plain files first. */
  #leaveOldPlace(live: StagedRelease | undefined, next: BundleDefinition, original = false): void {
    const { place, ...rest } = this.#journal;
    if (!place || !live || this.#samePlace(next)) return;
    const leaving = { place, tree: live.name, original };
    this.#note({ ...rest, leaving });
    this.#finishLeaving(leaving);
    if (next.root !== place.native) this.#setOriginalAside(live.number);
  }

  #finishLeaving({ place, tree, original }: NonNullable<Journal['leaving']>): void {
    this.#leave(place, this.#trees.staged(tree), original);
    const { leaving: _, ...rest } = this.#journal;
    this.#note(rest);
  }

  /** What was native at a root that the bundle has left is nobody's original any more, and is not lost either. */
  #setOriginalAside(release: number): void {
    const aside = join(this.#paths.aside, `before-release-${release}`);
    for (const path of [this.#paths.tree(ORIGINAL), this.#paths.kept]) {
      if (!lstatOf(path)) continue;
      mkdirSync(this.#paths.aside, { recursive: true, mode: 0o700 });
      if (lstatOf(aside)) rmSync(path, { recursive: true });
      else renameSync(path, aside);
    }
  }

  #leave(place: Place, tree: StagedRelease, original: boolean): void {
    const definition = { root: place.native, link: place.link };
    const linking = this.#linking(definition);
    if (original) linking.restore(tree);
    else linking.leave(tree);
    syncFileSystem(dirname(this.#ground(definition).native));
  }
}
