import { setTimeout as delay } from 'node:timers/promises';
import type { Ensemble } from '@quorate/store';
import { noteDeed } from '../audit.ts';
import { Context, type GlobalFlags, wholeNumber } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { confirm } from '../output/ask.ts';
import { paint } from '../output/style.ts';

export interface RemoveFlags extends GlobalFlags {
  readonly wait?: string;
}

const WAIT_SECONDS = '60';
const LOOK_MS = 250;

/** Takes a machine out of the ensemble: in order where it lives, on the operator's word where it does not, without the wait for its death. */
export async function removeMachine(instance: string, flags: RemoveFlags): Promise<number> {
  const seconds = wholeNumber('--wait', flags.wait ?? WAIT_SECONDS);
  await using context = await Context.open(flags);
  const store = await context.store();
  const { ensemble } = store;
  if (!ensemble || !(await ensemble.cluster()))
    throw new CliError(EXIT.failed, 'the store is no ensemble that looks after itself', '`quorate init` founds one');
  await checkKnown(ensemble, instance);
  const lives = (await ensemble.machines()).some((machine) => machine.instance === instance);
  const what = lives
    ? `${instance} is there: it leaves in order`
    : `${instance} does not show itself: it is taken out as one that is dead`;
  if (!(await confirm(`${what}. Go on?`, context.yes))) {
    context.say('nothing was done');
    return EXIT.failed;
  }
  await ensemble.askToLeave(instance);
  await noteDeed(store, { action: 'ensemble remove', what: `instance ${instance}` });
  const until = performance.now() + seconds * 1000;
  while (await isConfigured(ensemble, instance)) {
    if (performance.now() > until)
      throw new CliError(
        EXIT.failed,
        `not within ${seconds} s: the request stands, and whoever leads goes on with it`,
        '`quorate ensemble status` tells what it waits for',
      );
    await delay(LOOK_MS);
  }
  context.print({ removed: instance }, () => `${paint('green', '✓')} ${instance} is out of the ensemble`);
  return EXIT.done;
}

async function checkKnown(ensemble: Ensemble, instance: string): Promise<void> {
  const known = new Set([...(await ensemble.members()), ...(await ensemble.machines())].map((one) => one.instance));
  if (known.has(instance)) return;
  throw new CliError(
    EXIT.failed,
    `the ensemble knows no machine ${instance}`,
    `it knows ${[...known].sort().join(', ')}`,
  );
}

async function isConfigured(ensemble: Ensemble, instance: string): Promise<boolean> {
  const { members } = await ensemble.configuration();
  const ids = new Set(members.map(({ id }) => id));
  return (await ensemble.members()).some((record) => record.instance === instance && ids.has(record.id));
}
