import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  type BlobRef,
  type BundleDefinition,
  type Hook,
  type Manifest,
  manifestOf,
  type Release,
} from '@quorate/model';
import { awaitOrphan, runHook } from '../hooks/index.ts';
import { fileError } from './file-errors.ts';
import { flip, liveTree, settle, settledTree } from './flip.ts';
import { bootId, type Failure, type Journal, type Moving, readJournal, writeJournal } from './journal.ts';
import { CopyLinking } from './link-copy.ts';
import { DirectoryLinking } from './link-directory.ts';
import { FilesLinking } from './link-files.ts';
import type { Ground, Linking, Move, StagedTree } from './linking.ts';
import { Owners } from './owners.ts';
import { Packs } from './packs.ts';
import { BundlePaths, ORIGINAL, type TreeName } from './paths.ts';
import { checkPolicy, type Policy, resolveNativeRoot } from './policy.ts';
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
  const bundle = new Bundle(options);
  await bundle.recover();
  return bundle;
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
    const live = liveTree(this.#paths);
    return live === undefined || live === ORIGINAL ? undefined : this.#trees.release(live);
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
      const to: StagedTree = { name: this.#trees.nameFor(release), number, manifest, definition };
      const linking = this.#linking(to.definition);
      if (this.#samePlace(to.definition)) linking.check(this.#moveTo(to));
      await this.#trees.stage(to.name, release, manifest, (ref) => fetch.blob(ref));
      this.#leaveOldPlace(to.definition);
      linking.check(this.#moveTo(to));
      return await this.#move(this.#moveTo(to));
    } catch (error) {
      throw fileError(`release ${release.number} of ${this.#options.bundle} cannot be applied`, error);
    }
  }

  /** How the disk differs from the applied release. */
  verify(): Drift[] {
    const live = this.#live();
    if (!live || live.name === ORIGINAL) return [];
    const folder = live.definition.link === 'copy' ? this.#ground(live.definition).native : this.#paths.tree(live.name);
    return compareTree(folder, live.manifest, this.#owners, 'full');
  }

  /**
   * Leaves plain files at the native paths: those of the applied release, or what was there before the first.
   * Then Quorate's own folder of the bundle goes. Doing it again is harmless.
   */
  async unmanage({ original = false }: { original?: boolean } = {}): Promise<void> {
    try {
      this.#note({ ...this.#journal, unmanaging: { original } });
      this.#leave(original);
      rmSync(this.#paths.folder, { recursive: true, force: true });
    } catch (error) {
      throw fileError(`${this.#options.bundle} cannot be left`, error);
    }
  }

  /** Takes what was cut off to its end. */
  async recover(): Promise<void> {
    try {
      await awaitOrphan(this.#hookRecord);
      if (this.#journal.unmanaging) {
        await this.unmanage(this.#journal.unmanaging);
        mkdirSync(this.#paths.packs, { recursive: true });
        mkdirSync(this.#paths.releases, { recursive: true, mode: 0o755 });
        this.#journal = { format: 1 };
        return;
      }
      if (this.#journal.moving) await this.#resume(this.#journal.moving);
      else await this.#settleFlip();
      this.#mend();
      this.#trees.prune();
    } catch (error) {
      throw fileError(`${this.#options.bundle} cannot be recovered`, error);
    }
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

  get #hookRecord(): string {
    return join(this.#paths.folder, 'hook.json');
  }

  #note(journal: Journal): void {
    if (!isDeepStrictEqual(journal, this.#journal)) writeJournal(this.#paths, journal);
    this.#journal = journal;
  }

  #live(): StagedTree | undefined {
    const name = liveTree(this.#paths);
    return name === undefined ? undefined : this.#trees.staged(name, this.#trees.names().at(-1));
  }

  #moveTo(to: StagedTree): Move {
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
    if (back || this.#linking(to.definition).needsSteps(move)) {
      this.#note({
        ...this.#journal,
        moving: {
          ...(from ? { from: from.name } : {}),
          to: to.name,
          like: this.#like(move),
          ...(back ? { back } : {}),
        },
      });
    }
    return this.#finish(move, back);
  }

  /** The release whose paths tell what of the original counts. */
  #like({ from, to }: Move): TreeName | undefined {
    const other = to.name === ORIGINAL ? from?.name : to.name;
    return other === ORIGINAL ? undefined : other;
  }

  async #finish(move: Move, back?: Failure): Promise<ApplyResult> {
    const { from, to } = move;
    const linking = this.#linking(to.definition);
    const had = linking.before(move);
    flip(this.#paths, to.name);
    linking.after(move);
    const place = { native: to.definition.root, link: to.definition.link };
    const original = this.#journal.original || had;
    const fault = await this.#reload(to, from);
    if (fault && !back) {
      this.#journal = { ...this.#journal, place, original };
      return this.#goBack(move, fault);
    }
    this.#note({ format: 1, place, original, boot: bootId(), ...(back ? { failed: back } : {}) });
    settle(this.#paths, to.name);
    if (!back) return { state: 'applied' };
    return { state: 'rolled-back', detail: fault ? `${back.detail}\nand after going back: ${fault}` : back.detail };
  }

  async #goBack(move: Move, fault: string): Promise<ApplyResult> {
    const { from, to } = move;
    const { release } = this.#trees.release(to.name);
    const back: Failure = { detail: `release ${release.number}: ${fault}`, id: release.id };
    if (from && from.name !== ORIGINAL && from.name !== to.name) {
      this.#leaveOldPlace(from.definition);
      return this.#move({ from: to, to: from, adopted: this.#journal.place !== undefined }, back);
    }
    if (this.#journal.original)
      return this.#move({ from: to, to: { ...to, name: ORIGINAL, number: 0 }, adopted: true }, back);
    this.#note({ ...this.#journal, moving: { from: to.name, to: 'nothing', back } });
    return this.#goToNothing(to, back);
  }

  /** Before the first release there was nothing: there is nothing again. */
  #goToNothing(from: StagedTree, back: Failure): ApplyResult {
    this.#linking(from.definition).vanish(from);
    rmSync(this.#paths.current, { force: true });
    rmSync(this.#paths.settled, { force: true });
    this.#note({ format: 1, failed: back });
    return { state: 'rolled-back', detail: back.detail };
  }

  /** @returns what failed, in words */
  async #reload(to: StagedTree, from: StagedTree | undefined): Promise<string | undefined> {
    if (this.#options.hooks === false) return undefined;
    const { reload, health } = to.definition;
    return (await this.#hook('reload', reload, to, from)) ?? (await this.#hook('health', health, to, from));
  }

  async #hook(
    name: string,
    hook: Hook | undefined,
    to: StagedTree,
    from: StagedTree | undefined,
  ): Promise<string | undefined> {
    if (!hook) return undefined;
    const { bundle, root, state } = this.#options;
    const env = {
      QUORATE_BUNDLE: bundle,
      QUORATE_RELEASE: String(to.number),
      QUORATE_PREVIOUS: String(from?.number ?? 0),
      QUORATE_ROOT: root,
      QUORATE_STATE: state,
    };
    const result = await runHook(hook, {
      name,
      env,
      record: this.#hookRecord,
      log: join(this.#paths.folder, 'hook.log'),
    });
    if (result.ok) return undefined;
    return `${result.summary} (${hook.command})${result.output ? `\n${result.output}` : ''}`;
  }

  /** A move that a crash cut off goes on from its beginning; every step of it may be repeated. */
  async #resume({ from, to, like, back }: Moving): Promise<void> {
    const origin = from === undefined ? undefined : this.#trees.staged(from, like);
    if (to === 'nothing') {
      if (origin && back) this.#goToNothing(origin, back);
      return;
    }
    const target = this.#trees.staged(to, like);
    if (!target) return;
    if (to !== ORIGINAL) await this.#trees.complete(to, target.manifest);
    await this.#finish({ from: origin, to: target, adopted: this.#journal.place !== undefined }, back);
  }

  /** A flip without steps is known by `current` alone: its reload may not have finished. */
  async #settleFlip(): Promise<void> {
    const live = liveTree(this.#paths);
    const { place } = this.#journal;
    const settled = settledTree(this.#paths);
    if (live === undefined || live === ORIGINAL || live === settled || !place) return;
    const to = this.#trees.staged(live, undefined)!;
    await this.#trees.complete(live, to.manifest);
    await this.#finish({
      from: settled === undefined || settled === ORIGINAL ? undefined : this.#trees.staged(settled, undefined),
      to,
      adopted: true,
    });
  }

  /** After a start of the machine, files that were never synced are checked, and made anew from the packs. */
  #mend(): void {
    const live = this.#live();
    if (!live || live.name === ORIGINAL || !this.#journal.place) return;
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
    if (restarted) this.#note({ ...this.#journal, boot: bootId() });
  }

  #samePlace({ root, link }: BundleDefinition): boolean {
    const { place } = this.#journal;
    return !place || (place.native === root && place.link === link);
  }

  /** Where a release has another root or link mode than the one before, the old place becomes plain files first. */
  #leaveOldPlace(definition: BundleDefinition): void {
    const { place, ...rest } = this.#journal;
    if (!place || this.#samePlace(definition)) return;
    const live = this.#live();
    if (live) this.#linking({ root: place.native, link: place.link }).leave(live);
    this.#note(rest);
  }

  #leave(original: boolean): void {
    const live = this.#live();
    const { place } = this.#journal;
    if (!live || !place) return;
    const linking = this.#linking({ root: place.native, link: place.link });
    if (!original) linking.leave(live);
    else if (!this.#journal.original) linking.vanish(live);
    else {
      const to: StagedTree = { ...live, name: ORIGINAL, number: 0 };
      const move = { from: live, to, adopted: true };
      if (lstatOf(this.#paths.tree(ORIGINAL)) && place.link !== 'directory') linking.before(move);
      flip(this.#paths, ORIGINAL);
      linking.after(move);
      linking.leave(to);
    }
  }
}
