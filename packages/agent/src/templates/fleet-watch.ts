import { setTimeout as delay } from 'node:timers/promises';
import {
  type FleetMember,
  factsOf,
  fleetOf,
  type InstanceFacts,
  type SettledFleet,
  settledFleet,
  settleFleet,
} from '@quorate/model';
import type { Store } from '@quorate/store';

/** How often a store that does not tell of instances is asked who is there, and one that does nevertheless, in ms. */
const LOOK_MS = { untold: 15_000, told: 600_000 } as const;
/** ms from news to the look, by half more or less: a fleet that starts is many news, and many that look. */
const NEWS_MS = 500;

/** The fleet for templates: nobody is asked before one of them reads it. */
export class FleetWatch {
  #store: Store | undefined;
  #fleet: SettledFleet | undefined;
  #due: number | undefined;
  readonly #wanted = Promise.withResolvers<void>();

  /** From now on this store is asked. */
  ask(store: Store): void {
    this.#store = store;
  }

  /** @throws StoreError while nobody was ever heard and the store is out of reach */
  members = async (
    self: InstanceFacts,
    before: readonly FleetMember[] | undefined,
  ): Promise<readonly FleetMember[]> => {
    if (!this.#fleet) {
      const seen = await this.#look();
      this.#fleet = before ? settledFleet(before) : settledFleet(seen);
      this.#settle(seen);
      this.#wanted.resolve();
    }
    const others = this.#fleet.members.filter(({ id }) => id !== self.id);
    return fleetOf([...others, self]);
  };

  /** Follows the fleet until the signal, once somebody has asked. @param changed told when templates are to be rendered anew */
  async follow(changed: () => void, signal: AbortSignal): Promise<void> {
    const ends = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => ends.resolve(), { once: true });
    await Promise.race([this.#wanted.promise, ends.promise]);
    const bell = new Bell();
    if (!signal.aborted) void this.#listen(bell, signal);
    while (!signal.aborted) {
      await bell.rung(this.#due ?? (this.#store?.instanceChanges ? LOOK_MS.told : LOOK_MS.untold), signal);
      if (signal.aborted) return;
      const before = this.#fleet?.members;
      try {
        this.#settle(await this.#look());
      } catch {
        continue; // out of reach: the fleet stays as it was, and is looked at again
      }
      if (this.#fleet?.members !== before) changed();
    }
  }

  async #listen(bell: Bell, signal: AbortSignal): Promise<void> {
    for await (const _ of this.#store?.instanceChanges?.({ signal }) ?? []) bell.ring();
  }

  async #look(): Promise<FleetMember[]> {
    if (!this.#store) return [];
    return fleetOf((await this.#store.instances()).map(factsOf));
  }

  #settle(seen: readonly FleetMember[]): void {
    const { fleet, due } = settleFleet(this.#fleet!, seen, performance.now());
    this.#fleet = fleet;
    this.#due = due;
  }
}

/** Ends a wait early. */
class Bell {
  #early = new AbortController();

  ring(): void {
    this.#early.abort();
  }

  async rung(ms: number, signal: AbortSignal): Promise<void> {
    const early = AbortSignal.any([signal, this.#early.signal]);
    await delay(ms, undefined, { signal: early }).catch(() => undefined); // rung, or over
    if (early.aborted) await delay(NEWS_MS * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
    this.#early = new AbortController();
  }
}
