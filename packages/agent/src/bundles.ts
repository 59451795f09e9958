import type { BundleStatus } from '@quorate/model';
import type { Store, StoreChange } from '@quorate/store';
import type { Log } from './agent.ts';
import type { OwnState } from './aws/life-cycle.ts';
import { BundleWorker } from './bundle-worker.ts';
import type { BundleDrift } from './disk/index.ts';
import { DriftKeeper } from './drift/index.ts';
import { Loop } from './loop.ts';
import type { AgentDisk } from './own-disk.ts';
import { configurationOf } from './own-state.ts';
import { cloudWatch, unableToLead } from './rollout/alarm-gate.ts';
import type { Settings } from './settings/index.ts';
import { ownPlace } from './status-file.ts';

/** States that may end by themselves are tried again after these milliseconds, then each last one. */
const RETRY_MS = [1000, 2000, 5000, 15_000, 60_000];
const RETRIED = new Set(['refused', 'disk-full', 'read-only', 'missing-parent', 'unreachable', 'failed', 'replaced']);
/** Without any event everything is looked at again after these milliseconds at most: events may be lost, and native paths change by other hands. */
const RESYNC_MS = 60_000;

export interface BundlesOptions {
  readonly settings: Settings;
  readonly disk: AgentDisk;
  /** undefined until it was reached once */
  readonly store: () => Store | undefined;
  readonly isReachable: () => boolean;
  /** told when there is something to show */
  readonly changed: () => Promise<void>;
  readonly log: Log;
  /** ms without any event after which everything is looked at again, at most; a minute unless told otherwise */
  readonly resyncMs?: number;
}

/** The bundles of one machine, each with a loop of its own that keeps it where its head is. */
export class Bundles {
  readonly #options: BundlesOptions;
  readonly #workers = new Map<string, BundleWorker>();
  readonly #loops = new Map<string, Loop>();
  readonly #keepers: Promise<void>[] = [];
  /** whose heads are to be looked at */
  readonly #moved = new Set<string>();
  /** whether the store's were listed once */
  #listed = false;
  /** rollouts, where this agent stands for the lead of them */
  #leading: Promise<void> | undefined;
  #ending: AbortSignal | undefined;

  constructor(options: BundlesOptions) {
    this.#options = options;
  }

  /** What the fleet is shown of each. */
  get statuses(): Record<string, BundleStatus> {
    const there = [...this.#workers].filter(([, worker]) => worker.isThere);
    return Object.fromEntries(there.map(([name, { status, drift }]) => [name, drift ? { ...status, drift } : status]));
  }

  /** How this machine's configuration stands as a whole. */
  get configuration(): Pick<OwnState, 'configuration' | 'failure'> {
    return configurationOf(this.#listed, [...this.#workers.values()]);
  }

  /** What was applied last is in place before any network is asked (P5). To be called first. @param signal ends all */
  async recover(signal: AbortSignal): Promise<void> {
    this.#ending = signal;
    const names = await this.#options.disk.bundles();
    // at once: one may have to wait for a command that still runs
    await Promise.all(
      names.map(async (name) => {
        await this.#worker(name).recover();
        this.#logBundle(name);
      }),
    );
  }

  /** Looks at what a change of the store is about. */
  async hear(store: Store, change: Exclude<StoreChange, { kind: 'unreachable' }>, signal: AbortSignal): Promise<void> {
    if (change.kind === 'head') this.#wake(change.bundle, signal);
    else if (change.kind === 'candidate') await this.#hear(store, change, signal);
    else await this.#wakeAll(store, signal);
  }

  /** Looks at all of them again. */
  look(signal: AbortSignal): void {
    for (const name of this.#workers.keys()) this.#wake(name, signal);
  }

  /** Whether every bundle that the store has a release of for this machine was looked at. */
  async haveHeard(store: Store, signal: AbortSignal): Promise<boolean> {
    const names = (await store.bundles({ signal })).filter((name) => this.#wanted(name));
    const unheard = names.filter((name) => !this.#workers.get(name)?.status.target);
    const found = await Promise.all(unheard.map((name) => store.latest(name, { signal })));
    return found.every((latest) => !latest?.head.release); // a head without a release keeps nobody
  }

  /** Settled when every loop has ended, after the signal. */
  async ended(): Promise<void> {
    await Promise.allSettled([...[...this.#loops.values()].map((loop) => loop.ended), ...this.#keepers]);
  }

  /** Settled when this agent stands for no lead any more. */
  async led(): Promise<void> {
    await this.#leading;
  }

  close(): void {
    for (const worker of this.#workers.values()) worker.close();
  }

  #worker(name: string): BundleWorker {
    let worker = this.#workers.get(name);
    if (!worker) {
      worker = new BundleWorker(name, () => this.#options.disk.place(name), {
        self: ownPlace(this.#options.settings),
        unableToLead: (definition) => unableToLead(definition, this.#options.settings),
        changed: () => this.#hearOfHealth(name),
        watched: (drift) => this.#keep(name, drift),
      });
      this.#workers.set(name, worker);
    }
    return worker;
  }

  /** Watches over the files of a bundle, until this agent ends. */
  #keep(name: string, drift: BundleDrift): DriftKeeper | undefined {
    const signal = this.#ending;
    if (!signal) return undefined;
    const keeper = new DriftKeeper(name, drift, {
      instance: this.#options.settings.instance,
      store: () => (this.#options.isReachable() ? this.#options.store() : undefined),
      changed: () => void this.#options.changed(),
      wake: () => this.#wake(name, signal),
      log: this.#options.log,
    });
    this.#keepers.push(keeper.run(signal));
    return keeper;
  }

  async #wakeAll(store: Store, signal: AbortSignal): Promise<void> {
    const names = new Set(this.#workers.keys());
    try {
      for (const name of await store.bundles({ signal })) if (this.#wanted(name)) names.add(name);
      for (const name of names) this.#worker(name);
      this.#listed = true;
    } catch (error) {
      signal.throwIfAborted();
      this.#options.log(`warn  the bundles could not be listed: ${(error as Error).message}`);
    }
    for (const name of names) this.#wake(name, signal);
  }

  #wanted(name: string): boolean {
    return this.#options.settings.bundles === undefined || this.#options.settings.bundles.includes(name);
  }

  /** A candidate came, or the last one is over. Who does not run its bundle says so where all are asked: at its first release. */
  async #hear(
    store: Store,
    { bundle, stands }: { bundle: string; stands: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#wanted(bundle) || this.#workers.has(bundle)) {
      this.#worker(bundle).hear(stands);
      this.#loop(bundle, signal).wake();
      return;
    }
    if (!stands) return;
    try {
      const release = (await store.candidates?.standing(bundle, { signal }))?.release;
      if (release?.number === 1)
        await store.candidates!.vote(release, this.#options.settings.instance, 'pass', { signal });
    } catch (error) {
      signal.throwIfAborted();
      this.#options.log(`warn  ${bundle}: what is offered could not be passed on: ${(error as Error).message}`);
    }
  }

  #wake(name: string, signal: AbortSignal): void {
    if (!this.#wanted(name) && !this.#workers.has(name)) return;
    this.#moved.add(name);
    this.#loop(name, signal).wake();
  }

  #loop(name: string, signal: AbortSignal): Loop {
    let loop = this.#loops.get(name);
    if (!loop) {
      const quiet = (): Promise<void> => this.#worker(name).prepare();
      loop = new Loop((attempt) => this.#step(name, attempt, signal), quiet, signal);
      this.#loops.set(name, loop);
    }
    return loop;
  }

  /** @param attempt 0 when woken @returns after how many ms to look again by itself */
  async #step(name: string, attempt: number, signal: AbortSignal): Promise<number> {
    const worker = this.#worker(name);
    const moved = this.#moved.delete(name);
    if (moved || attempt > 0 || !worker.hasLooked) await this.#converge(worker, signal);
    if (worker.isAsked) {
      const said = await worker.vote(this.#options.store()!, this.#options.settings.instance, signal);
      if (said) this.#options.log(said);
    }
    const retry = RETRIED.has(worker.status.state) || worker.isAsked ? RETRY_MS[attempt] : undefined;
    return Math.min(retry ?? Infinity, (this.#options.resyncMs ?? RESYNC_MS) * (0.5 + Math.random() / 2)); // a release sets the clocks of a whole fleet alike
  }

  async #converge(worker: BundleWorker, signal: AbortSignal): Promise<void> {
    const before = worker.status;
    const status = await worker.converge(this.#options.store()!, signal);
    if (worker.isRollingOut) this.#leadRollouts(this.#options.store()!, signal);
    if (status === before) return;
    if (status.applied !== before.applied || status.state !== before.state || status.detail !== before.detail)
      this.#logBundle(worker.name);
    await this.#options.changed();
  }

  /** From the first rollout on, where nobody keeps the ensemble: who does, leads them too. */
  #leadRollouts(store: Store, signal: AbortSignal): void {
    const { settings, log } = this.#options;
    if (settings.ensemble || !store.capabilities.sessions) return;
    const options = { store, by: settings.instance, log, alarms: settings.aws && cloudWatch(settings) };
    this.#leading ??= import('./rollout/index.ts').then(({ standForRollouts }) => standForRollouts(options, signal));
  }

  #hearOfHealth(name: string): void {
    this.#logBundle(name);
    void this.#options.changed();
  }

  #logBundle(name: string): void {
    const { applied, target, state, health, detail } = this.#worker(name).status;
    const isWell = (state === 'applied' || state === 'applying') && health !== 'unhealthy';
    const level = isWell ? 'info ' : 'warn ';
    const where = applied === target ? `release ${applied}` : `release ${applied}, asked for ${target}`;
    this.#options.log(
      `${level} ${name}: ${state}${health ? `, ${health}` : ''}, ${where}${detail ? `: ${detail}` : ''}`,
    );
  }
}
