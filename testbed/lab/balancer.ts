import { setTimeout as delay } from 'node:timers/promises';
import type { Instance } from '../src/index.ts';
import { monotonic } from './lab.ts';
import { Load } from './load.ts';
import type { Machine } from './machine.ts';

/** ms between two looks at who serves */
const LOOK = 300;

/** An instance that gets requests, by the monotonic clock in ms. */
interface Service {
  readonly id: string;
  readonly address: string;
  readonly from: number;
  /** when its power went, or its end began */
  to: number;
  /** it has been stopped: when the same instance serves again, that is another service */
  isOver: boolean;
}

/** Requests to all instances in service, as a load balancer sends them: from when their group says so, until it says otherwise. */
export class Balancer {
  /** all that ever were */
  readonly #services: Service[] = [];
  readonly #ended = new AbortController();
  #load: Load | undefined;
  #balanced: Promise<void> | undefined;

  /** @param serving those that are in service, and run */
  begin(from: Instance, serving: () => Promise<readonly Machine[]>): void {
    const load = Load.begin(from);
    this.#load = load;
    this.#balanced = this.#balance(load, serving);
  }

  async #balance(load: Load, serving: () => Promise<readonly Machine[]>): Promise<void> {
    while (!this.#ended.signal.aborted) {
      const machines = await serving();
      for (const { id, address } of machines)
        if (!this.#current(id))
          this.#services.push({ id, address, from: monotonic(), to: Number.POSITIVE_INFINITY, isOver: false });
      load.aimAt(machines.map(({ address }) => address));
      await delay(LOOK, undefined, { signal: this.#ended.signal }).catch(() => undefined); // the end of the load
    }
  }

  #current(id: string): Service | undefined {
    return this.#services.find((one) => one.id === id && !one.isOver);
  }

  /** From now on it cannot be expected to answer. */
  fails(id: string): void {
    const service = this.#current(id);
    if (service) service.to = Math.min(service.to, monotonic());
  }

  /** It runs again, and may come into service once more. */
  runsAgain(id: string): void {
    const service = this.#current(id);
    if (service) service.isOver = true;
  }

  /** @returns how many requests were answered. @throws Error where one was not, and its instance was in service all the while */
  async end(): Promise<number> {
    await this.stop();
    if (!this.#load) return 0;
    const { answered, faults } = await this.#load.end();
    const bad = faults.filter((fault) =>
      this.#services.some((one) => one.address === fault.address && one.from <= fault.from && fault.to < one.to),
    );
    if (bad.length > 0)
      throw new Error(`${bad.length} of ${answered + bad.length} requests: ${JSON.stringify(bad.slice(0, 10))}`);
    return answered;
  }

  /** Nobody is told of instances any more. */
  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#balanced;
  }
}
