import type { BundleState, BundleStatus, Release } from '@quorate/model';
import { ModelError } from '@quorate/model';
import { type Store, StoreError } from '@quorate/store';
import type { Bundle } from './disk/index.ts';
import { AgentError, type AgentErrorCode } from './errors.ts';
import { releaseSource } from './fetch.ts';

const STATES: Partial<Record<AgentErrorCode, BundleState>> = {
  OUTSIDE_ROOTS: 'refused',
  REFUSED: 'refused',
  DISK_FULL: 'disk-full',
  READ_ONLY: 'read-only',
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
  readonly #open: () => Promise<Bundle>;
  #bundle: Bundle | undefined;
  #status: BundleStatus = { applied: 0, digest: '', target: 0, state: 'applying' };

  constructor(name: string, open: () => Promise<Bundle>) {
    this.name = name;
    this.#open = open;
  }

  get status(): BundleStatus {
    return this.#status;
  }

  /** Puts what was applied last in place again, from this disk alone. */
  async recover(): Promise<void> {
    try {
      const bundle = await this.#opened();
      const release = bundle.applied?.release;
      if (release) this.#settle(bundle, { target: release.number, state: 'applied' });
    } catch (error) {
      this.#status = { ...this.#status, state: stateOf(error), detail: (error as Error).message };
    }
  }

  /** One step towards the head. Never throws for what the instance itself can't do: that is its state then. */
  async converge(store: Store, signal: AbortSignal): Promise<BundleStatus> {
    try {
      const latest = await store.latest(this.name, { signal });
      if (!latest) return this.#status; // no head any more: what is here stays (P5)
      await this.#apply(store, latest.release, signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#status = { ...this.#status, state: stateOf(error), detail: (error as Error).message };
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
    this.#settle(bundle, { target: release.number, state: result.state, detail: result.detail });
  }

  async #opened(): Promise<Bundle> {
    this.#bundle ??= await this.#open();
    return this.#bundle;
  }

  #settle(bundle: Bundle, outcome: { target: number; state: BundleState; detail?: string }): void {
    const release = bundle.applied?.release;
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
