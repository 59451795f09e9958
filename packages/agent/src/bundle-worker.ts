import type { BundleState, BundleStatus, Release } from '@quorate/model';
import { ModelError } from '@quorate/model';
import { type Store, StoreError } from '@quorate/store';
import { AgentError, type AgentErrorCode } from './errors.ts';
import { releaseSource } from './fetch.ts';
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

/** Brings one bundle of this machine to where the head is, and tells how it stands. */
export class BundleWorker {
  readonly name: string;
  readonly #place: () => PlacedBundle;
  #bundle: PlacedBundle | undefined;
  #recovered = false;
  #looked = false;
  #status: BundleStatus = { applied: 0, digest: '', target: 0, state: 'applying' };

  constructor(name: string, place: () => PlacedBundle) {
    this.name = name;
    this.#place = place;
  }

  get status(): BundleStatus {
    return this.#status;
  }

  /** Whether the store was asked once, whatever came of it. */
  get hasLooked(): boolean {
    return this.#looked;
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
      if (latest) await this.#apply(store, latest.release, signal);
      else this.#stay(await this.#opened());
    } catch (error) {
      signal.throwIfAborted();
      this.#fail(error);
    }
    return this.#status;
  }

  /** Work for a quiet moment. */
  async prepare(): Promise<void> {
    await this.#bundle?.prepare();
  }

  close(): void {
    this.#bundle?.close();
    this.#bundle = undefined;
  }

  async #apply(store: Store, release: Release, signal: AbortSignal): Promise<void> {
    const bundle = await this.#opened();
    // what became of the release before is not said of this one
    const { applied, digest, target } = this.#status;
    if (target !== release.number) this.#status = { applied, digest, target: release.number, state: 'applying' };
    const source = releaseSource(store, release, (ref) => bundle.has(ref), { signal });
    const result = await bundle.apply(release, source);
    this.#settle(bundle.applied?.release, { target: release.number, state: result.state, detail: result.detail });
  }

  async #opened(): Promise<PlacedBundle> {
    this.#bundle ??= this.#place();
    if (!this.#recovered) await this.#bundle.recover();
    this.#recovered = true;
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
