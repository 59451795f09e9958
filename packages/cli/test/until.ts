import { setTimeout as delay } from 'node:timers/promises';

/** Waits for a condition. @throws Error when it does not hold within `ms` */
export async function until<T>(what: string, look: () => Promise<T | false> | T | false, ms = 60_000): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const found = await look();
    if (found !== false) return found;
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await delay(25);
  }
}
