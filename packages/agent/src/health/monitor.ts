import { setTimeout as delay } from 'node:timers/promises';
import { DEFAULT_HEALTH_INTERVAL, type Health, type HealthState } from '@quorate/model';

export interface HealthSeen {
  readonly state: HealthState;
  /** what is wrong */
  readonly detail?: string;
}

/** Asks an application for its health again and again, while the release that it runs is rolled out. Until it is stopped. */
export class HealthMonitor {
  /** of the release that is watched */
  readonly release: string;
  readonly #stop = new AbortController();
  #seen: HealthSeen = { state: 'checking' };

  /**
   * @param ask tells what is wrong, in words; throws where it cannot ask
   * @param told called whenever something else is seen
   */
  constructor(release: string, health: Health, ask: () => Promise<string | undefined>, told: () => void) {
    this.release = release;
    void this.#run(health, ask, told);
  }

  get seen(): HealthSeen {
    return this.#seen;
  }

  stop(): void {
    this.#stop.abort();
  }

  async #run(health: Health, ask: () => Promise<string | undefined>, told: () => void): Promise<void> {
    const { window = 0, interval = DEFAULT_HEALTH_INTERVAL } = health;
    const { signal } = this.#stop;
    let healthyAt: number | undefined;
    while (!signal.aborted) {
      const asked = performance.now();
      const detail = await ask().catch((error: Error) => error.message);
      if (signal.aborted) return;
      if (detail !== undefined) healthyAt = undefined;
      else healthyAt ??= asked;
      const isLong = healthyAt !== undefined && performance.now() - healthyAt >= window * 1000;
      const state: HealthState = detail !== undefined ? 'unhealthy' : isLong ? 'healthy' : 'checking';
      const before = this.#seen;
      this.#seen = { state, ...(detail === undefined ? {} : { detail }) };
      if (state !== before.state || detail !== before.detail) told();
      await delay(interval * 1000, undefined, { signal, ref: false }).catch(() => undefined); // stopped: the loop sees it
    }
  }
}
