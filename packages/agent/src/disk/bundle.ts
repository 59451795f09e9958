import { rmSync } from 'node:fs';
import {
  type BlobRef,
  DEFAULT_SETTLE_SECONDS,
  describeVerdict,
  type Manifest,
  type Release,
  settleSeconds,
  type Verdict,
} from '@quorate/model';
import { AgentError } from '../errors.ts';
import { awaitOrphan } from '../hooks/index.ts';
import { renderedDigest, sameRendered } from '../templates/index.ts';
import { BundleDrift, putRight } from './bundle-drift.ts';
import { type BundleOptions, BundleState } from './bundle-state.ts';
import type { Found } from './differences.ts';
import { fileError } from './file-errors.ts';
import { flip, liveRelease, liveTree, settle, settledTree } from './flip.ts';
import { bootId, type Failure, type Moving } from './journal.ts';
import { endHere, finishLeaving, leave, leaveOldPlace } from './leaving.ts';
import { type Move, originalOf, type StagedRelease, type StagedTree } from './linking.ts';
import { Offers } from './offers.ts';
import { askHealth, hookRecord, reload, WATCH_FILES } from './reload.ts';
import { compareTree, type Drift } from './tree.ts';
import type { Applied } from './trees.ts';
import { clearValidation } from './validate.ts';

/** Where content comes from that this machine does not have. */
export interface Fetch {
  manifest(): Promise<Manifest>;
  blob(ref: BlobRef): Promise<Buffer>;
}

interface ApplyOptions {
  readonly withdrawn?: boolean;
  readonly signal?: AbortSignal;
}

export interface ApplyResult {
  /** `refused`: it was validated before anything changed, and was found wrong */
  readonly state: 'applied' | 'rolled-back' | 'refused';
  /** what went wrong, with the end of the command's output */
  readonly detail?: string;
}

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
  readonly #at: BundleState;
  readonly #offers: Offers;
  readonly drift: BundleDrift;
  /** the end of what was begun last: one thing at a time, so that no command sees a flip */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: BundleOptions) {
    this.#at = new BundleState(options);
    this.#offers = new Offers(this.#at);
    this.drift = new BundleDrift(this.#at, {
      putBack: (edits, only) => this.#alone(() => this.#restore(edits, only)),
      judge: (release, fetch) => this.offer(release, fetch),
    });
  }

  /** What native paths resolve to; undefined before the first release. */
  get applied(): Applied | undefined {
    const live = liveRelease(this.#at.paths);
    return live === undefined ? undefined : this.#at.trees.release(live);
  }

  /** Whether this machine holds some content already. */
  has(ref: BlobRef): boolean {
    return this.#at.packs.has(ref);
  }

  /**
   * Stages a release and validates it at its native paths. Nothing that is live changes, and what was staged is kept for `apply`, which does not ask again.
   * Each offer is judged anew.
   * @param options.plan also tells what would change in files that are rendered here
   * @throws what the fetch throws, and AgentError CORRUPT: neither says anything of the release
   */
  offer(release: Release, fetch: Fetch, { plan = false }: { plan?: boolean } = {}): Promise<Verdict> {
    return this.#alone(async () => {
      if (this.applied?.release.id === release.id && this.#linked()) return { ok: true };
      return this.#offers.offer(release, fetch, plan);
    });
  }

  /**
   * Stages a release, validates it, flips to it, reloads and asks for its health; where that fails, the release before comes back and is reloaded.
   * Applying what is applied does nothing, and what failed here is not tried again until another release came.
   * @param options.withdrawn what is live is not to come back: the release is put in place whatever it failed at before, and stays whatever its hooks say
   * @param options.signal ends the wait for an application that may still read what is live; what was begun after that is taken to its end
   * @throws AgentError when it is refused or the disk does not let us: then nothing has changed
   */
  apply(release: Release, fetch: Fetch, options: ApplyOptions = {}): Promise<ApplyResult> {
    return this.#alone(() => this.#apply(release, fetch, options));
  }

  async #apply(release: Release, fetch: Fetch, { withdrawn, signal }: ApplyOptions): Promise<ApplyResult> {
    const failed = withdrawn ? undefined : this.#at.journal.failed;
    try {
      const isLive = this.applied?.release.id === release.id && this.#linked();
      const live = this.#at.liveRendered;
      if (isLive && (await this.#at.isRenderedNow(live))) return { state: 'applied' };
      if (failed?.id === release.id && failed.rendered === undefined) return rolledBack(failed);
      this.#at.options.signed?.take(release);
      const { rendered } = await this.#offers.formOf(release, fetch);
      if (isLive && sameRendered(rendered, live)) return { state: 'applied' };
      if (failed?.id === release.id && failed.rendered === renderedDigest(rendered)) return rolledBack(failed);
      const { to, verdict } = await this.#offers.ready(release, fetch);
      if (!verdict.ok) return { state: 'refused', detail: describeVerdict(verdict) };
      await this.#at.reading.end(signal);
      leaveOldPlace(this.#at, this.#at.live(), to.definition);
      const move = this.#offers.moveTo(to);
      this.#at.linking(to.definition).check(move);
      if (verdict.note) this.#at.log(`release ${release.number} of ${this.#at.options.bundle}: ${verdict.note}`);
      this.#offers.forget();
      const result = await this.#move({ ...move, ...(withdrawn ? { stays: true } : {}) });
      if (result.state === 'applied' && move.from && move.from.name !== to.name) this.drift.left(move.from);
      return result;
    } catch (error) {
      throw fileError(`release ${release.number} of ${this.#at.options.bundle} cannot be applied`, error);
    }
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined); // told to whoever asked for it
    return mine;
  }

  /** @throws AgentError when native paths do not lead to the applied release, and nobody but their owner can mend that */
  checkNative(): void {
    const live = this.#at.live();
    if (live && this.#at.journal.place)
      this.#at.linking(live.definition).check({ from: live, to: live, adopted: true });
  }

  /** Asks the application for its health, as the applied release has it; also while another one is on its way. @returns what is wrong, in words */
  async health(): Promise<string | undefined> {
    const { bundle, root, state, hooks } = this.#at.options;
    const live = this.#at.live();
    if (!live || hooks === false) return undefined;
    return askHealth({ paths: this.#at.paths, bundle, root, state }, live, undefined, WATCH_FILES);
  }

  /** How the disk differs from the applied release. */
  verify(): Drift[] {
    const live = this.#at.live();
    if (!live) return [];
    const folder =
      live.definition.link === 'copy' ? this.#at.ground(live.definition).native : this.#at.paths.tree(live.name);
    return compareTree(folder, live.manifest, this.#at.owners, 'full');
  }

  /**
   * Leaves plain files at the native paths: those of the applied release, or what was there before the first.
   * Then Quorate's own folder of the bundle goes, but for edits that were kept aside. Doing it again is harmless.
   */
  async unmanage({ original = false }: { original?: boolean } = {}): Promise<void> {
    try {
      if (original) await this.#at.reading.end();
      const live = this.#at.journal.place ? this.#at.live() : undefined;
      this.#at.note({ ...this.#at.journal, unmanaging: { original, ...(live ? { tree: live.name } : {}) } });
      endHere(this.#at);
    } catch (error) {
      throw fileError(`${this.#at.options.bundle} cannot be left`, error);
    }
  }

  /** Takes what was cut off to its end. */
  async recover(): Promise<void> {
    await this.#at.changing(() => this.#recover());
  }

  async #recover(): Promise<void> {
    try {
      await awaitOrphan(hookRecord(this.#at.paths));
      await clearValidation(this.#at);
      if (this.#at.journal.leaving) finishLeaving(this.#at, this.#at.journal.leaving);
      if (this.#at.journal.moving) await this.#resume(this.#at.journal.moving);
      else await this.#settleFlip();
      if (!this.#at.journal.place && liveTree(this.#at.paths) === undefined) this.#at.forgetOriginal();
      this.#mend();
      this.#at.trees.prune();
      await this.#linkAgain();
      this.#mayBeReading();
    } catch (error) {
      throw fileError(`${this.#at.options.bundle} cannot be recovered`, error);
    }
  }

  /** An agent before us may have reloaded a moment ago. */
  #mayBeReading(): void {
    const { options, journal, reading } = this.#at;
    const live = this.#at.live();
    if (options.hooks === false) return;
    if (live) reading.begin(settleSeconds(live.definition));
    else if (journal.failed) reading.begin(DEFAULT_SETTLE_SECONDS); // of the original, after a first release that failed
  }

  /** Takes an end here that was cut off to its end. @returns whether there was one: the bundle must then be opened anew */
  finishUnmanage(): boolean {
    if (!this.#at.journal.unmanaging) return false;
    try {
      endHere(this.#at);
    } catch (error) {
      throw fileError(`${this.#at.options.bundle} cannot be left`, error);
    }
    return true;
  }

  /** Work for a quiet moment: clears away, and makes the next apply quick. Never fails: whatever it could not do, the next apply does. */
  prepare(): Promise<void> {
    return this.#alone(() => this.#at.trees.prepare()).catch((error: Error) =>
      this.#at.log(`${this.#at.options.bundle}: nothing is prepared for the next release: ${error.message}`),
    );
  }

  /** Clears away; what is applied stays. */
  close(): void {
    this.#at.trees.prune();
  }

  /**
   * Puts back what the applied release has; edits are kept aside first. Then the application is reloaded, also when a crash comes in between.
   * @param only these edits are not all there are
   * @returns what failed with that, in words
   */
  async #restore(edits: readonly Found[], only: boolean): Promise<string | undefined> {
    const live = this.#at.live();
    if (!live || !this.#at.journal.place || edits.length === 0) return undefined;
    const { failed } = this.#at.journal;
    try {
      this.drift.keep(edits);
      const chosen = only ? { only: edits.map(({ path }) => path) } : {};
      this.#at.note({ ...this.#at.journal, moving: { from: live.name, to: live.name, ...chosen } });
      const { detail } = await this.#at.changing(() => {
        putRight(this.#at, live, edits);
        return this.#finish({ from: live, to: live, adopted: true, ...chosen });
      });
      if (failed) this.#at.note({ ...this.#at.journal, failed });
      return detail;
    } catch (error) {
      throw fileError(`release ${live.number} of ${this.#at.options.bundle} cannot be put back`, error);
    }
  }

  /** Whether the native paths are as the applied release has left them; cheap. */
  #linked(): boolean {
    const live = this.#at.live();
    if (!live || !this.#at.journal.place || this.#at.journal.moving) return false;
    if (live.definition.link === 'copy') return true;
    return !this.#at.linking(live.definition).needsSteps({ from: live, to: live, adopted: true });
  }

  /** Steps, flip, steps, hooks; and back where a hook fails. A move that is more than a flip is noted first. */
  async #move(move: Move, back?: Failure): Promise<ApplyResult> {
    const { from, to } = move;
    const linking = this.#at.linking(to.definition);
    if (back || linking.needsSteps(move)) {
      linking.keep(move);
      const moving = { ...(from ? { from: from.name } : {}), to: to.name, ...(back ? { back } : {}) };
      this.#at.note({ ...this.#at.journal, moving });
    }
    return this.#at.changing(() => this.#finish(move, back));
  }

  async #finish(move: Move, back?: Failure): Promise<ApplyResult> {
    const { from, to } = move;
    const linking = this.#at.linking(to.definition);
    linking.before(move);
    flip(this.#at.paths, to.name);
    linking.after(move);
    const place = { native: to.definition.root, link: to.definition.link };
    const fault = await this.#reload(to, from);
    // of what was live before, nothing is better: an application that does not run yet must not cost its files
    if (fault && !back && !move.stays && from?.name !== to.name) {
      this.#at.journal = { ...this.#at.journal, place };
      return this.#goBack(move, fault);
    }
    this.#at.note({ format: 1, place, boot: bootId(), ...(back ? { failed: back } : {}) });
    settle(this.#at.paths, to.name);
    if (!back) return { state: 'applied', ...(fault ? { detail: fault } : {}) };
    return { state: 'rolled-back', detail: fault ? `${back.detail}\nand after going back: ${fault}` : back.detail };
  }

  async #goBack({ from, to }: Move, fault: string): Promise<ApplyResult> {
    const { release } = this.#at.trees.release(to.name);
    const rendered = renderedDigest(this.#at.trees.rendered(to.name));
    const failed = { id: release.id, ...(rendered === undefined ? {} : { rendered }) };
    const back: Failure = { detail: `release ${release.number}: ${fault}`, ...failed };
    await this.#at.reading.end();
    if (from && from.name !== to.name) {
      leaveOldPlace(this.#at, to, from.definition, from.definition.root !== to.definition.root);
      return this.#move({ from: to, to: from, adopted: this.#at.journal.place !== undefined }, back);
    }
    this.#at.note({ ...this.#at.journal, moving: { from: to.name, to: 'nothing', back } });
    return this.#goToNothing(to, back);
  }

  /** Back to what was native before the first release, as if it had never been tried. */
  async #goToNothing(from: StagedRelease, back: Failure): Promise<ApplyResult> {
    const { root, link } = from.definition;
    const original = this.#at.hasOriginal ? originalOf(from) : undefined;
    leave(this.#at, { native: root, link }, from, true);
    rmSync(this.#at.paths.current, { force: true });
    rmSync(this.#at.paths.settled, { force: true });
    const fault = original && (await this.#reload(original, from));
    this.#at.note({ format: 1, failed: back });
    this.#at.forgetOriginal();
    return { state: 'rolled-back', detail: fault ? `${back.detail}\nand after going back: ${fault}` : back.detail };
  }

  /** @returns what failed, in words */
  async #reload(to: StagedTree, from: StagedRelease | undefined): Promise<string | undefined> {
    const { bundle, root, state, hooks } = this.#at.options;
    if (hooks === false) return undefined;
    const fault = await reload({ paths: this.#at.paths, bundle, root, state }, to, from, this.#at.reading);
    return fault && this.#at.hiding(fault, from ? [to.name, from.name] : [to.name]);
  }

  /** A move that a crash cut off goes on from its beginning; every step of it may be repeated. */
  async #resume({ from, to, back, only }: Moving): Promise<void> {
    const origin = from === undefined ? undefined : this.#at.trees.staged(from);
    if (to === 'nothing') {
      if (origin && back) await this.#goToNothing(origin, back);
      return;
    }
    const target = this.#at.trees.staged(to);
    await this.#at.trees.complete(to, target.manifest);
    const adopted = this.#at.journal.place !== undefined;
    await this.#finish({ from: origin, to: target, adopted, ...(only ? { only } : {}) }, back);
  }

  /** A flip without steps is known by `current` alone: its reload may not have finished. */
  async #settleFlip(): Promise<void> {
    const to = this.#at.live();
    const settled = settledTree(this.#at.paths);
    if (!to || to.name === settled || !this.#at.journal.place) return;
    await this.#at.trees.complete(to.name, to.manifest);
    const from = settled === undefined ? undefined : this.#at.trees.staged(settled);
    await this.#finish({ from, to, adopted: true });
  }

  /** After a start of the machine, files that were never synced are checked, and made anew from the packs. */
  #mend(): void {
    const live = this.#at.live();
    if (!live || !this.#at.journal.place) return;
    const restarted = this.#at.journal.boot !== bootId();
    const all = compareTree(
      this.#at.paths.tree(live.name),
      live.manifest,
      this.#at.owners,
      restarted ? 'full' : 'quick',
    );
    const drift = all.filter(({ what }) => restarted || what === 'missing');
    if (drift.length > 0) {
      const which = drift.slice(0, 5).map(({ path, what }) => `${path} (${what})`);
      this.#at.log(
        `release ${live.number} of ${this.#at.options.bundle} is put right, what was there is in ${this.#at.paths.aside}: ${which.join(', ')}`,
      );
      this.#at.trees.mend(live.name, live.manifest, drift);
    }
    if (restarted) this.#noteBoot();
  }

  /** Native paths that were taken away lead here again; whether somebody put others there, `checkNative` tells. */
  async #linkAgain(): Promise<void> {
    const live = this.#at.live();
    if (!live || !this.#at.journal.place) return;
    try {
      if (this.#linked()) return;
      // what was put there is for the agent to look at, who knows what is to be done about it
      const { drift: _, ...definition } = live.definition;
      this.#at.linking(definition).check({ from: { ...live, definition }, to: live, adopted: true });
    } catch (error) {
      if (error instanceof AgentError) return; // told by whoever asks next
      throw error;
    }
    await this.#move({ from: live, to: live, adopted: true });
  }

  #noteBoot(): void {
    try {
      this.#at.note({ ...this.#at.journal, boot: bootId() });
    } catch (error) {
      // a full or read-only disk costs a further look at the next start; what is applied serves on
      this.#at.log(`${this.#at.options.bundle}: ${(fileError('this start cannot be noted', error) as Error).message}`);
    }
  }
}

function rolledBack({ detail }: Failure): ApplyResult {
  return { state: 'rolled-back', detail };
}
