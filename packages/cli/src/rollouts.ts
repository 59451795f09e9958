import { setTimeout as delay } from 'node:timers/promises';
import { cloudWatch, RolloutLead } from '@quorate/agent';
import { type InstanceStatus, isUnderWay, type Rollout } from '@quorate/model';
import type { Store, VersionedHead } from '@quorate/store';
import { authorOf, type Context } from './context.ts';
import { EXIT } from './exit.ts';
import { interruptible } from './interrupt.ts';
import { describeState } from './output/rollout.ts';
import { paint } from './output/style.ts';

const LOOK_MS = 500;

/** Instances that have a bundle, with that bundle's status alone. */
export async function instancesWith(store: Store, bundle: string): Promise<InstanceStatus[]> {
  return (await store.instances()).flatMap((one) => {
    const status = one.bundles[bundle];
    return status ? [{ ...one, bundles: { [bundle]: status } }] : [];
  });
}

export interface FollowOptions {
  /** ms until it is left alone; without end unless given */
  readonly limitMs?: number | undefined;
  /** this command takes the steps: where the store's machines elect no leader */
  readonly leads: boolean;
}

/** How a rollout ended, or that it goes on. */
export interface Followed {
  readonly rollout: Rollout;
  readonly exit: number;
}

/** Tells each step of a rollout until its end, and takes them where nobody else does. */
export async function followRollout(
  context: Context,
  store: Store,
  { bundle, release }: { readonly bundle: string; readonly release: number },
  { limitMs = Number.POSITIVE_INFINITY, leads }: FollowOptions,
): Promise<Followed> {
  const goesOn = leads
    ? `the rollout stands still until it is gone on with: quorate rollout run ${bundle}`
    : `the rollout goes on; look at it: quorate rollout status ${bundle}`;
  using interrupt = interruptible(goesOn);
  const { signal } = interrupt;
  const alarms = cloudWatch(context.settings);
  const lead = leads
    ? new RolloutLead(bundle, { store, by: authorOf(undefined), log: () => undefined, alarms })
    : undefined;
  const until = performance.now() + limitMs;
  let told = 0;
  let said = '';
  for (;;) {
    const look = await lead?.look(signal);
    const head: VersionedHead | undefined = look?.head ?? (await store.latest(bundle, { signal }))?.head;
    const { rollout } = head ?? {};
    if (!rollout || head?.release !== release) {
      context.say(`${paint('yellow', '!')} another release of ${bundle} has come in its place`);
      return { rollout: rollout!, exit: EXIT.failed };
    }
    for (const { what, why } of rollout.story.slice(told)) context.say(`  ${markOf(what)} ${what}: ${why}`);
    told = rollout.story.length;
    if (!isUnderWay(rollout)) return { rollout, exit: rollout.state === 'done' ? EXIT.done : EXIT.refused };
    const reason = (look?.plan.kind === 'wait' ? look.plan.reason : '').replace(/\d+ of \d+ s/, 'now');
    if (reason !== said && reason !== '') context.say(paint('dim', `  … ${reason}`));
    said = reason;
    if (performance.now() > until) {
      context.say(
        `${paint('yellow', '!')} not at its end within ${Math.round(limitMs / 1000)} s, ${describeState(rollout)}: ${goesOn}`,
      );
      return { rollout, exit: EXIT.failed };
    }
    await delay(LOOK_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

const markOf = (what: string): string =>
  what === 'back' ? paint('red', '✖') : what === 'done' ? paint('green', '✓') : '→';
