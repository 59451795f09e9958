import { setTimeout as delay } from 'node:timers/promises';
import { isUnderWay } from '@quorate/model';
import type { Store } from '@quorate/store';
import { News } from '../ensemble/news.ts';
import { RolloutLead, type RolloutLeadOptions } from './lead.ts';

/** ms between looks at a rollout; a fleet whose look takes long is looked at less often */
const LOOK_MS = 1000;
const LOOK_SHARE = 5;
/** ms between looks for rollouts while nothing is told: what is told may be lost */
const REST_MS = 60_000;
/** ms after a look that failed */
const RETRY_MS = 5000;

export interface RolloutKeeperOptions extends RolloutLeadOptions {
  /** ms between looks, for tests */
  readonly lookMs?: number;
}

/**
 * Leads all rollouts, while this machine leads. Level-triggered: all that has to outlast it is in the heads. Two at once do no harm. Never throws; ends with the
 * signal.
 */
export async function keepRollouts(
  { lookMs = LOOK_MS, ...options }: RolloutKeeperOptions,
  signal: AbortSignal,
): Promise<void> {
  const { store, log } = options;
  const leads = new Map<string, RolloutLead>();
  const news = new News();
  news.follow(headChanges(store, signal));
  let said = '';
  while (!signal.aborted) {
    const begun = performance.now();
    let rest = REST_MS;
    try {
      for (const bundle of await store.bundles({ signal })) {
        const lead = leads.get(bundle) ?? new RolloutLead(bundle, options);
        const look = await lead.look(signal);
        if (look && isUnderWay(look.head.rollout)) leads.set(bundle, lead);
        else leads.delete(bundle);
      }
      said = '';
      if (leads.size > 0) rest = Math.max(lookMs, LOOK_SHARE * (performance.now() - begun));
    } catch (error) {
      if (signal.aborted) return;
      const { message } = error as Error;
      if (message !== said) log(`warn  rollouts: ${message}`);
      said = message;
      rest = RETRY_MS;
    }
    if (leads.size > 0)
      await delay(rest, undefined, { signal }).catch(() => undefined); // ended by the signal: so is the loop
    else await news.wait(rest, signal);
  }
}

async function* headChanges(store: Store, signal: AbortSignal): AsyncGenerator<void> {
  for await (const { kind } of store.changes({ signal })) if (kind !== 'unreachable') yield;
}
