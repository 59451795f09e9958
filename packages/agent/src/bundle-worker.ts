import {
  type BundleDefinition,
  type BundleState,
  type BundleStatus,
  type DriftStatus,
  describeVerdict,
  type Head,
  type InstancePlace,
  isUnderWay,
  ModelError,
  type OfferedRelease,
  type Release,
  releaseFor,
  type Verdict,
} from '@quorate/model';
import { type Latest, type Store, StoreError } from '@quorate/store';
import type { BundleDrift } from './disk/index.ts';
import type { DriftKeeper } from './drift/index.ts';
import { AgentError, type AgentErrorCode } from './errors.ts';
import { releaseSource } from './fetch.ts';
import { HealthMonitor } from './health/index.ts';
import type { PlacedBundle } from './own-disk.ts';

const STATES: Partial<Record<AgentErrorCode, BundleState>> = {
  OUTSIDE_ROOTS: 'refused',
  REFUSED: 'refused',
  NOT_SIGNED: 'refused',
  DISK_FULL: 'disk-full',
  READ_ONLY: 'read-only',
  NOT_PERMITTED: 'read-only',
  MISSING_PARENT: 'missing-parent',
  REPLACED: 'replaced',
};

/** The state that an error leaves a bundle in; what was applied before goes on serving in each. */
export function stateOf(error: unknown): BundleState {
  if (error instanceof AgentError) return STATES[error.code] ?? 'failed';
  if (error instanceof ModelError) return 'refused';
  if (error instanceof StoreError) {
    if (error.code === 'UNREACHABLE') return 'unreachable';
    return error.code === 'NEWER_FORMAT' ? 'refused' : 'failed';
  }
  return 'failed';
}

export interface WorkerOptions {
  /** by which rollouts choose this instance */
  readonly self: InstancePlace;
  /** why this machine could not lead the rollouts of a bundle, where it could not */
  readonly unableToLead?: (definition: BundleDefinition) => string | undefined;
  /** told when the bundle's health has changed, in between */
  readonly changed?: () => void;
  /** who watches over its files from when they are in place */
  readonly watched?: (drift: BundleDrift) => DriftKeeper | undefined;
}

/** Brings one bundle of this machine to where the head is, and tells how it stands. */
export class BundleWorker {
  readonly name: string;
  readonly #place: () => PlacedBundle;
  readonly #watched: (drift: BundleDrift) => DriftKeeper | undefined;
  #keeper: DriftKeeper | undefined;
  #bundle: PlacedBundle | undefined;
  #recovered = false;
  #looked = false;
  /** `news`: it is to be judged; `judged`: it stands still, as far as is known */
  #candidate: 'none' | 'news' | 'judged' = 'none';
  #said: { readonly id: string; readonly verdict: Verdict } | undefined;
  #status: BundleStatus = { applied: 0, digest: '', target: 0, state: 'applying' };

  readonly #self: InstancePlace;
  readonly #changed: () => void;
  readonly #unableToLead: (definition: BundleDefinition) => string | undefined;
  #monitor: HealthMonitor | undefined;
  #rollingOut = false;

  constructor(name: string, place: () => PlacedBundle, { self, changed, watched, unableToLead }: WorkerOptions) {
    this.name = name;
    this.#watched = watched ?? (() => undefined);
    this.#place = place;
    this.#self = self;
    this.#changed = changed ?? (() => undefined);
    this.#unableToLead = unableToLead ?? (() => undefined);
  }

  get status(): BundleStatus {
    const seen = this.#monitor?.seen;
    if (!seen) return this.#status;
    return { ...this.#status, health: seen.state, ...(seen.detail === undefined ? {} : { detail: seen.detail }) };
  }

  /** Whether a release of it is being rolled out, as far as is known. */
  get isRollingOut(): boolean {
    return this.#rollingOut;
  }

  /** How its files differ from the applied release. */
  get drift(): DriftStatus | undefined {
    return this.#keeper?.status;
  }

  /** Whether the store was asked once, whatever came of it. */
  get hasLooked(): boolean {
    return this.#looked;
  }

  /** Whether there may be a release of it, here or in the store: a bundle may be offered and never published. */
  get isThere(): boolean {
    return !this.#looked || this.#status.target > 0 || this.#status.applied > 0;
  }

  /** Puts what was applied last in place again, from this disk alone. */
  async recover(): Promise<void> {
    try {
      this.#stay(await this.#opened());
    } catch (error) {
      this.#fail(error);
    }
  }

  /** One step towards the head. Never throws for what the instance itself can't do: that is its state then. */
  async converge(store: Store, signal: AbortSignal): Promise<BundleStatus> {
    try {
      const latest = await store.latest(this.name, { signal });
      this.#looked = true;
      this.#rollingOut = isUnderWay(latest?.head.rollout);
      if (latest) {
        const release = await this.#mine(store, latest, signal);
        if (await this.#keeper?.holds(release, this.#rollingOut)) this.#hold(release);
        else await this.#apply(store, latest.head, release, signal);
        this.#watch(latest.head, release);
      } else this.#stay(await this.#opened());
    } catch (error) {
      signal.throwIfAborted();
      this.#fail(error);
    }
    return this.status;
  }

  /** The release that this instance is to run: the head's, or during its rollout perhaps the one before. */
  async #mine(store: Store, { head, release }: Latest, signal: AbortSignal): Promise<Release> {
    const number = releaseFor(head, this.#self);
    if (number === release.number) return release;
    const before = await store.release(this.name, number, { signal });
    if (before) return before;
    throw new StoreError(
      'CORRUPT',
      `release ${number} of ${this.name}, which instances outside the rollout of release ${release.number} run, is not in the store: end the rollout (quorate rollout promote ${this.name}), or publish anew`,
    );
  }

  /** While its release is rolled out, the application's health is asked for again and again. */
  #watch({ release: rolledOut }: Head, { id, number, definition }: Release): void {
    const { health } = definition;
    const isWatched =
      health && this.#rollingOut && number === rolledOut && this.#status.state === 'applied' && this.#bundle;
    if (!isWatched) this.#endWatch();
    else if (this.#monitor?.release !== id) {
      this.#endWatch();
      const bundle = this.#bundle!;
      this.#monitor = new HealthMonitor(id, health, () => bundle.health(), this.#changed);
    }
  }

  #endWatch(): void {
    this.#monitor?.stop();
    this.#monitor = undefined;
  }

  /** Hears that a candidate came, or that the last one is over. */
  hear(stands: boolean): void {
    this.#candidate = stands ? 'news' : 'none';
  }

  /** Whether there is a candidate to vote on. */
  get isAsked(): boolean {
    return this.#candidate === 'news';
  }

  /**
   * Judges the candidate that stands, and says what came of it; nothing that is live changes. What the store cannot give or take now leaves it asked.
   * @returns what to tell people, if anything
   */
  async vote(store: Store, instance: string, signal: AbortSignal): Promise<string | undefined> {
    this.#candidate = 'judged'; // one that comes meanwhile is news again
    try {
      const candidate = await store.candidates?.standing(this.name, { signal });
      if (!candidate) return undefined;
      const { release } = candidate;
      const known = this.#said?.id === release.id;
      const verdict = known ? this.#said!.verdict : await this.#judge(store, candidate, signal);
      this.#said = { id: release.id, verdict };
      await store.candidates!.vote(release, instance, verdict, { signal });
      const said = verdict.ok ? `yes${verdict.note ? `: ${verdict.note}` : ''}` : `no: ${describeVerdict(verdict)}`;
      return known
        ? undefined
        : `${verdict.ok ? 'info ' : 'warn '} ${this.name}: release ${release.number} is offered by ${release.author}: ${said}`;
    } catch (error) {
      signal.throwIfAborted();
      this.#candidate = 'news';
      return `warn  ${this.name}: what is offered could not be voted on: ${(error as Error).message}`;
    }
  }

  /** @throws StoreError where the store, not the release, is at fault */
  async #judge(store: Store, { release, plan }: OfferedRelease, signal: AbortSignal): Promise<Verdict> {
    const unable = this.#unableToLead(release.definition);
    if (unable !== undefined) return { ok: false, by: 'policy', reason: unable };
    try {
      const bundle = await this.#opened();
      const source = releaseSource(store, release, (ref) => bundle.has(ref), { signal });
      return await bundle.offer(release, source, { plan: plan === true });
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof StoreError && error.code !== 'CORRUPT') throw error;
      return { ok: false, by: 'staging', reason: (error as Error).message };
    }
  }

  /** Work for a quiet moment. What was staged for a candidate that stands is left alone. */
  async prepare(): Promise<void> {
    if (this.#candidate === 'none') await this.#bundle?.prepare();
  }

  close(): void {
    this.#endWatch();
    this.#bundle?.close();
    this.#bundle = undefined;
  }

  async #apply(store: Store, head: Head, release: Release, signal: AbortSignal): Promise<void> {
    const bundle = await this.#opened();
    // what became of the release before is not said of this one
    const { applied, digest, target } = this.#status;
    if (target !== release.number) {
      this.#endWatch();
      this.#status = { applied, digest, target: release.number, state: 'applying' };
    }
    const source = releaseSource(store, release, (ref) => bundle.has(ref), { signal });
    const withdrawn = head.rollout?.state === 'back' && bundle.applied?.release.number === head.release;
    const result = await bundle.apply(release, source, { withdrawn, signal });
    this.#settle(bundle.applied?.release, { target: release.number, state: result.state, detail: result.detail });
  }

  /** An edit here comes first. */
  #hold({ number }: Release): void {
    const { applied } = this.#bundle!;
    const state = applied?.release.number === number ? 'applied' : 'applying';
    this.#settle(applied?.release, { target: number, state });
  }

  async #opened(): Promise<PlacedBundle> {
    this.#bundle ??= this.#place();
    if (!this.#recovered) await this.#bundle.recover();
    this.#recovered = true;
    if (this.#bundle.drift) this.#keeper ??= this.#watched(this.#bundle.drift);
    return this.#bundle;
  }

  /** Without a head what is here stays (P5). */
  #stay(bundle: PlacedBundle): void {
    const release = bundle.applied?.release;
    if (!release) return;
    bundle.checkNative();
    this.#settle(release, { target: release.number, state: 'applied' });
  }

  #fail(error: unknown): void {
    const outcome = { target: this.#status.target, state: stateOf(error), detail: (error as Error).message };
    try {
      this.#settle(this.#bundle?.applied?.release, outcome);
    } catch {
      // what is applied cannot be read either, and the error says why
      this.#status = { ...this.#status, ...outcome };
    }
  }

  #settle(release: Release | undefined, outcome: { target: number; state: BundleState; detail?: string }): void {
    const { target, state, detail } = outcome;
    this.#status = {
      applied: release?.number ?? 0,
      digest: release?.digest ?? '',
      target,
      state,
      ...(detail ? { detail } : {}),
    };
  }
}
