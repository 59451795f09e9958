import { setTimeout as delay } from 'node:timers/promises';
import type { InstanceStatus } from '@quorate/model';
import type { Store } from '@quorate/store';
import type { Context } from './context.ts';
import { EXIT } from './exit.ts';
import { paint } from './output/style.ts';
import { indented } from './output/table.ts';

/** How long `--wait` waits unless said. */
export const WAIT_SECONDS = 60;

/** ms between looks: close ones first, since a release usually arrives at once */
const LOOK_MS = { first: 20, later: 150, from: 500 };
const REFUSED = new Set(['rolled-back', 'refused', 'disk-full', 'read-only', 'missing-parent', 'replaced', 'failed']);

type Outcome = 'applied' | 'refused' | 'waiting';

/** Shows each live instance as it applies a release or refuses it. @returns all of them, and the exit code */
export async function waitForFleet(
  context: Context,
  store: Store,
  bundle: string,
  release: number,
  seconds: number,
): Promise<{ instances: InstanceStatus[]; exit: number }> {
  const from = performance.now();
  const told = new Set<string>();
  for (;;) {
    const instances = await store.instances();
    for (const instance of instances) {
      const outcome = outcomeOf(instance, bundle, release);
      if (outcome === 'waiting' || told.has(instance.id)) continue;
      told.add(instance.id);
      const ms = Math.round(performance.now() - from);
      const { state, detail } = instance.bundles[bundle]!;
      const event = { event: outcome, instance: instance.id, state, ...(detail ? { detail } : {}), ms };
      context.tell(
        event,
        outcome === 'applied'
          ? `${paint('green', '✓')} ${instance.id}  applied after ${ms} ms`
          : `${paint('red', '✖')} ${instance.id}  ${state}: ${indented(detail ?? '')}`,
      );
    }
    const outcomes = instances.map((instance) => outcomeOf(instance, bundle, release));
    if (!outcomes.includes('waiting')) {
      if (instances.length === 0) context.say('no instance shows itself in this store now');
      return { instances, exit: outcomes.includes('refused') ? EXIT.refused : EXIT.done };
    }
    if (performance.now() - from > seconds * 1000) {
      const late = instances
        .filter((instance) => outcomeOf(instance, bundle, release) === 'waiting')
        .map(({ id }) => id);
      context.say(`${paint('yellow', '!')} not within ${seconds} s: ${late.join(', ')}`);
      return { instances, exit: EXIT.failed };
    }
    await delay(performance.now() - from < LOOK_MS.from ? LOOK_MS.first : LOOK_MS.later);
  }
}

function outcomeOf(instance: InstanceStatus, bundle: string, release: number): Outcome {
  const status = instance.bundles[bundle];
  if (!status) return 'waiting';
  if (status.applied >= release && status.state === 'applied') return 'applied';
  return status.target >= release && REFUSED.has(status.state) ? 'refused' : 'waiting';
}
