import { setTimeout as delay } from 'node:timers/promises';

/** Waits for a condition: tests never sleep. @throws Error that names what did not come, with the last failure of the condition */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined | false>,
  withinMs = 30_000,
): Promise<T> {
  const end = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== undefined && value !== false) return value;
      last = undefined;
    } catch (error) {
      last = error; // not yet: it may become true
    }
    if (performance.now() > end) throw new Error(`not within ${withinMs / 1000} s: ${what}`, { cause: last });
    await delay(25);
  }
}
