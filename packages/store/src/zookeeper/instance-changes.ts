import { setTimeout as delay } from 'node:timers/promises';
import type { Link } from './link.ts';
import { INSTANCES } from './paths.ts';

/** ms until a watch that could not be set, or whose session ended, is set again */
const AGAIN_MS = 1000;

/** One watch on the list of instances, over as many sessions as it takes. */
export async function* instanceChanges(link: Link, signal: AbortSignal): AsyncGenerator<void> {
  while (!signal.aborted) {
    const zk = await link.patiently(signal, () => undefined).catch(() => undefined); // only the signal ends it in vain
    if (!zk) return;
    try {
      const watch = zk.watch(INSTANCES, { kind: 'children', signal });
      yield; // whatever changed before the watch was set
      for await (const _ of watch) yield;
    } catch {
      // no instance has shown itself yet, or the session ended: it is set again
    }
    await delay(AGAIN_MS, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
  }
}
