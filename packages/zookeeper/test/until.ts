import { setTimeout as delay } from 'node:timers/promises';

/** Waits for a condition; fails with `what` when it does not come true in time. */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  timeout = 30_000,
): Promise<T> {
  const deadline = performance.now() + timeout;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      const value = await condition();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      // A condition may fail until it holds; the last failure is told when time runs out.
      last = error;
    }
    await delay(20);
  }
  throw new Error(`not within ${timeout} ms: ${what}`, last === undefined ? undefined : { cause: last });
}

/** The promise's value, or a failure with `what` when it does not settle in time. */
export async function within<T>(what: string, promise: Promise<T>, timeout = 30_000): Promise<T> {
  const stop = new AbortController();
  const late = delay(timeout, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`not within ${timeout} ms: ${what}`);
  });
  late.catch(() => {
    // Cancelled below when the promise was in time.
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop.abort();
  }
}
