import { adoptedAs, type DriftView } from '@quorate/model';
import type { Store } from '@quorate/store';
import type { Log } from '../agent.ts';
import type { BundleDrift, Found, OfferedEdits } from '../disk/index.ts';
import type { Adopted } from './adopt.ts';

/** ms until an edit is offered again that could not be, and what could not be put back is tried again */
export const AGAIN_MS = 30_000;

/** What a keeper has of its machine. */
export interface KeeperMachine {
  readonly instance: string;
  /** undefined while it is out of reach */
  store(): Store | undefined;
  /** the status is another one */
  changed(): void;
  /** the way to the head is free again */
  wake(bundle: string): void;
  readonly log: Log;
}

export interface EditOffersOptions {
  readonly machine: KeeperMachine;
  /** why it is to be tried later; undefined when it is settled */
  readonly later: (reason: string | undefined) => void;
  /** what nobody foresaw */
  readonly failed: (error: Error) => void;
  /** nothing is on its way any more, and the disk is to be looked at */
  readonly ended: () => void;
}

/** Edits of one bundle on their way to be a release, one offer at a time, and those that wait for the end of a rollout. */
export class EditOffers {
  readonly #name: string;
  readonly #drift: BundleDrift;
  readonly #options: EditOffersOptions;
  #underWay: Promise<void> | undefined;
  #adopted: string | undefined;
  #refused: DriftView['refused'];
  #conflict: string | undefined;
  /** when (ms) what is not on the disk any more may be offered again */
  #againAt = -Infinity;
  #signal: AbortSignal = AbortSignal.abort();

  constructor(name: string, drift: BundleDrift, options: EditOffersOptions) {
    this.#name = name;
    this.#drift = drift;
    this.#options = options;
  }

  get isUnderWay(): boolean {
    return this.#underWay !== undefined;
  }

  /** What was learned of edits by their digests, as `planDrift` takes it. */
  get learned(): Pick<DriftView, 'adopted' | 'refused'> {
    return {
      ...(this.#adopted === undefined ? {} : { adopted: this.#adopted }),
      ...(this.#refused ? { refused: this.#refused } : {}),
    };
  }

  /** What only a person can settle, in words. */
  get conflict(): string | undefined {
    return this.#conflict;
  }

  /** What a rollout has taken from the disk, and is offered after it, in words. */
  get waiting(): string | undefined {
    const gone = this.#drift.waiting.flatMap(({ edits, isGone }) => (isGone ? edits : []));
    return gone.length > 0 ? `${named(gone)} edited here, offered when the rollout is over` : undefined;
  }

  /** Takes up what an agent before this one left waiting. @param signal ends what is under way */
  begin(signal: AbortSignal): void {
    this.#signal = signal;
    try {
      this.#drift.readWaiting();
    } catch (error) {
      this.#warn((error as Error).message);
    }
  }

  async ended(): Promise<void> {
    await this.#underWay;
  }

  /** Offers edits to the fleet, beside all else: it is asked, this machine too, and it must be able to answer. */
  offer(offered: OfferedEdits | undefined): void {
    const store = this.#options.machine.store();
    if (!store || !offered || this.#underWay) return;
    const { moves } = this.#drift;
    this.#underWay = this.#adopt(store, offered)
      .then((outcome) => this.#settle(outcome, this.#drift.moves === moves ? offered : { ...offered, isGone: true }))
      .catch((error: Error) => {
        if (!this.#signal.aborted) this.#options.failed(error);
      })
      .finally(() => {
        this.#underWay = undefined;
        if (!this.#signal.aborted) this.#options.ended();
      });
  }

  /** No rollout is under way: what the last one left on the disk is an edit as before, what it replaced is offered as it was. @returns whether anything waited */
  offerWaiting(): boolean {
    const { waiting } = this.#drift;
    if (waiting.length === 0 || this.#underWay || performance.now() < this.#againAt) return false;
    for (const here of waiting.filter(({ isGone }) => !isGone)) this.#drift.waitNoMore(here);
    this.offer(waiting.find(({ isGone }) => isGone));
    return true;
  }

  /** What was written on since, or taken back by hand, waits as it is now. @param now undefined where nothing is edited */
  waitAs(digest: string, now: () => OfferedEdits | undefined): void {
    const here = this.#drift.waiting.find(({ isGone }) => !isGone);
    if (!here || here.digest === digest) return;
    const offered = now();
    if (offered) this.#wait(offered);
    this.#drift.waitNoMore(here);
  }

  #wait(offered: OfferedEdits): void {
    try {
      this.#drift.wait(offered);
    } catch (error) {
      this.#warn(`edits that wait are forgotten when this agent ends: ${(error as Error).message}`);
    }
  }

  async #adopt(store: Store, { edited, edits }: OfferedEdits): Promise<Adopted> {
    const { adopt } = await import('./adopt.ts'); // few machines are edited
    const { instance, log } = this.#options.machine;
    const alone = { instance, judge: this.#drift.judge.bind(this.#drift) };
    log(`info  ${this.#name}: ${named(edits)} edited here: offered to the fleet`);
    return await adopt(store, edited, { ...adoptedAs(edits, instance), alone }, this.#signal);
  }

  #settle(outcome: Adopted, offered: OfferedEdits): void {
    const { edited, edits, digest, isGone } = offered;
    const { log } = this.#options.machine;
    this.#options.later(undefined);
    this.#conflict = undefined;
    if (isGone && outcome.state !== 'later') this.#drift.waitNoMore(offered);
    if (outcome.state === 'published') {
      this.#adopted = digest;
      this.#refused = undefined;
      this.#drift.released(edited);
      log(`info  ${this.#name}: ${named(edits)} edited here: in release ${outcome.number} now`);
      return;
    }
    const { reason } = outcome;
    this.#warn(`${named(edits)} edited here: ${reason}`);
    if (outcome.state === 'later') {
      this.#options.later(reason);
      if (!outcome.waits) this.#againAt = performance.now() + AGAIN_MS;
      if (outcome.waits || isGone) this.#wait(offered);
      return;
    }
    this.#refused = { digest, head: outcome.head, reason };
    if (outcome.state !== 'conflict') return;
    this.#conflict = reason;
    this.#drift.keep(isGone ? [] : edits, outcome.open); // what is gone was kept then
  }

  #warn(what: string): void {
    this.#options.machine.log(`warn  ${this.#name}: ${what}`);
  }
}

/** The first few of them, in words. */
export function named(edits: readonly Found[]): string {
  const more = edits.length - 3;
  return `${edits
    .slice(0, 3)
    .map(({ path, what }) => `${path} (${what})`)
    .join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
