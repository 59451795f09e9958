import {
  type ClockExchange,
  type ClockOffset,
  type ClockReading,
  type ClockSample,
  clockDueAfter,
  clockToShow,
  learnClock,
} from '@quorate/model';
import { readClocks } from '@quorate/store';

/** How far this machine's clock is from the leader's, as the reports to the fleet tell it. */
export class OwnClock {
  readonly #read: () => ClockReading;
  #known: ClockSample | undefined;
  #shown: ClockOffset | undefined;
  #reportedAt: ClockReading | undefined;
  #chance = 0;

  /** @param read this machine's clocks */
  constructor(read: () => ClockReading = readClocks) {
    this.#read = read;
  }

  /** What to show now. */
  get offset(): ClockOffset | undefined {
    return clockToShow(this.#known, this.#read());
  }

  /** @param shown what the report showed @param exchange what it told */
  reported(shown: ClockOffset | undefined, exchange: ClockExchange): void {
    this.#known = learnClock(this.#known, exchange);
    this.#shown = shown;
    this.#reportedAt = exchange.received;
    this.#chance = Math.random();
  }

  /** It is measured with the next report that is due. */
  notReported(): void {
    if (this.#reportedAt) this.#reportedAt = this.#read();
  }

  /** Whether it is time to measure again; also when a clock that was set makes what is shown untrue. */
  get isDue(): boolean {
    if (!this.#reportedAt) return false; // the store tells no time, or has not been reached yet
    const waited = this.#read().from - this.#reportedAt.to;
    return waited >= clockDueAfter(this.#shown, this.offset, this.#chance);
  }
}
