/** Requests of one piece of work that are under way at once: S3 answers in tens of milliseconds, and takes thousands a second; a mount is kept busy. */
const LANES = 24;

/** Does work for each item, some at a time. After a failure nothing more is begun, and what was begun is waited for. */
export async function inLanes<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = new Array(items.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    try {
      while (next < items.length) {
        const at = next++;
        done[at] = await work(items[at]!);
      }
    } catch (error) {
      next = items.length;
      throw error;
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: Math.min(LANES, items.length) }, lane));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return done;
}
