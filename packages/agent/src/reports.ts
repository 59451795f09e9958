import { setTimeout as delay } from 'node:timers/promises';
import type { ClockOffset, InstanceStatus } from '@quorate/model';
import type { Store } from '@quorate/store';
import type { Log } from './agent.ts';
import { OwnClock } from './own-clock.ts';

/** About when the fleet hears of a change, in ms: reports of many instances are spread around it. */
const REPORT_MS = 100;
/** How often it is looked whether this machine's clock was set or is to be measured, in ms: two readings, no network. */
const CLOCK_LOOK_MS = 5000;

export interface ReportOptions {
  /** writes what there is to tell on this machine's disk */
  readonly here: () => Promise<void>;
  /** what the fleet is shown */
  readonly status: () => InstanceStatus;
  /** undefined while none can be reached */
  readonly store: () => Store | undefined;
  readonly log: Log;
}

/** Tells how this machine stands: on its disk, and to the fleet. */
export class Reports {
  readonly #options: ReportOptions;
  readonly #clock = new OwnClock();
  #telling: Promise<void> = Promise.resolve();
  #reporting: Promise<void> | undefined;
  /** the report that was begun last */
  #reported: Promise<void> = Promise.resolve();

  constructor(options: ReportOptions) {
    this.#options = options;
  }

  /** How far this machine's clock is from the leader's, by the replies to reports. */
  get offset(): ClockOffset | undefined {
    return this.#clock.offset;
  }

  /** Writes the status here, one at a time, always the newest, and shows it to the fleet a moment later. */
  tell(): Promise<void> {
    const mine = this.#telling.then(async () => {
      if (mine !== this.#telling) return; // a newer call tells the same and more
      await this.#tellHere();
      this.#reporting ??= this.#reportSoon();
    });
    this.#telling = mine;
    return mine;
  }

  /** At rest the status is shown again from time to time: its reply tells how the clock stands. */
  async measureClock(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(CLOCK_LOOK_MS, undefined, { signal }).catch(() => undefined); // the signal ends the wait
      if (this.#options.store() && this.#clock.isDue) await this.tell();
    }
  }

  /** When all that was to be told has been. */
  async settled(): Promise<void> {
    await this.#telling;
    await this.#reporting;
    await this.#reported;
  }

  async #tellHere(): Promise<void> {
    try {
      await this.#options.here();
    } catch (error) {
      // a full or read-only disk must not end the agent: the fleet is still told
      this.#options.log(`warn  the status could not be written: ${(error as Error).message}`);
    }
  }

  /** Not at once: after a publish the whole fleet has news, while some of it is still fetching the release. */
  async #reportSoon(): Promise<void> {
    await delay(REPORT_MS * (0.5 + Math.random()));
    await this.#reported; // one at a time: what is older must not be written after what is newer
    this.#reporting = undefined;
    const store = this.#options.store();
    if (store) this.#reported = this.#report(store);
    await this.#reported;
  }

  async #report(store: Store): Promise<void> {
    try {
      const status = this.#options.status();
      const exchange = await store.report(status);
      if (exchange) this.#clock.reported(status.clock, exchange);
    } catch (error) {
      // the next change, at the latest the reconnect, tells it again
      this.#clock.notReported();
      this.#options.log(`warn  the status could not be shown to the fleet: ${(error as Error).message}`);
    }
  }
}
