import { setTimeout as delay } from 'node:timers/promises';
import { keepRollouts, type RolloutKeeperOptions } from './keeper.ts';

/** ms between tries to stand for the lead */
const RETRY_MS = 5000;

/**
 * Where the ensemble is not the fleet's own, agents elect among themselves who leads rollouts. In the fleet's own, whoever keeps the ensemble does. Never
 * throws; ends with the signal.
 */
export async function standForRollouts(options: RolloutKeeperOptions, signal: AbortSignal): Promise<void> {
  const { store, by, log } = options;
  const { ensemble } = store;
  while (ensemble && !signal.aborted) {
    try {
      if (await ensemble.cluster({ signal })) return;
      await using lead = await ensemble.lead(by, { signal });
      log('info  this machine leads rollouts');
      await keepRollouts(options, AbortSignal.any([signal, lead.signal]));
    } catch (error) {
      if (signal.aborted) return;
      log(`info  rollouts are not led from here: ${(error as Error).message}`);
    }
    await delay(RETRY_MS, undefined, { signal }).catch(() => undefined); // ended by the signal: so is the loop
  }
}
