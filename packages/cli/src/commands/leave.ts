import { setTimeout as delay } from 'node:timers/promises';
import { orders, readSettings, readStatus, type Settings } from '@quorate/agent';
import { noteAlone } from '../audit.ts';
import { type GlobalFlags, wholeNumber } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';

export interface LeaveFlags extends GlobalFlags {
  readonly undo?: boolean;
  readonly wait?: string;
}

const WAIT_SECONDS = '60';
const LOOK_MS = 250;

/** Asks this machine's agent to leave the ensemble, and waits until its server is out of it and stopped. Its files stay as they are. */
export async function leave(flags: LeaveFlags): Promise<number> {
  const settings = await readSettings(flags);
  if (!settings.ensemble)
    throw new CliError(
      EXIT.failed,
      'this machine is in no ensemble that could be left',
      '`quorate init` or `quorate join` makes it part of one',
    );
  const say = (line: string): void => (flags.json ? console.error : console.log)(line);
  if (flags.undo) {
    await orders.stay(settings.state);
    await noteAlone(settings, { action: 'leave --undo', what: `instance ${settings.instance}` });
    say('this machine takes part again as soon as its agent has seen it');
    return EXIT.done;
  }
  const seconds = wholeNumber('--wait', flags.wait ?? WAIT_SECONDS);
  await orders.leave(settings.state);
  await noteAlone(settings, { action: 'leave', what: `instance ${settings.instance}` });
  const left = await hasLeft(settings, seconds);
  if (flags.json) console.log(JSON.stringify({ left }));
  if (left) {
    say(
      'this machine has left the ensemble: its agent may be stopped, or go on as a client; `quorate leave --undo` lets it take part again',
    );
    return EXIT.done;
  }
  throw new CliError(
    EXIT.failed,
    `not within ${seconds} s: the request stands, and the agent goes on with it`,
    '`quorate ensemble status` tells what it waits for; `quorate leave --undo` takes it back',
  );
}

async function hasLeft({ state }: Settings, seconds: number): Promise<boolean> {
  const until = performance.now() + seconds * 1000;
  do {
    const status = await readStatus(state);
    if (status && !status.running)
      throw new CliError(
        EXIT.failed,
        'the agent does not run, and only it can leave in order',
        'start it; the request stands until then',
      );
    if (status?.member?.state === 'absent' && status.member.detail === 'this machine has left the ensemble')
      return true;
    await delay(LOOK_MS);
  } while (performance.now() < until);
  return false;
}
