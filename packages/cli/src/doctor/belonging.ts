import { join } from 'node:path';
import { readStatus, type Settings, TrustFolder } from '@quorate/agent';
import type { Check } from './check.ts';

export function settingsFile({ file, store }: Settings): Check {
  if (store) return { name: 'settings', result: 'ok', detail: file ?? 'from flags and variables' };
  return {
    name: 'settings',
    result: 'fail',
    detail: `${file ?? 'no settings file'}: no store is named`,
    advice: 'quorate init writes the settings file',
  };
}

/** Of those that are renewed by hand, it is time to say so with this many days to go. */
const CERTIFICATE_DAYS_LEAST = 30;

export function certificate({ state }: Settings): Check[] {
  const folder = join(state, 'trust');
  if (!TrustFolder.exists(folder)) return [];
  const name = 'certificate';
  const again = 'ask an instance for a new token (quorate token), move the trust folder away, and join again';
  try {
    const { kind, name: who, cluster, certificate } = TrustFolder.open(folder).identity();
    const [from, until] = [certificate.validFromDate, certificate.validToDate];
    const days = Math.floor((until.getTime() - Date.now()) / 86_400_000);
    const date = until.toISOString().slice(0, 10);
    const detail = `${kind} ${who} of the cluster ${cluster}, until ${date}`;
    if (Date.now() < from.getTime())
      return [
        { name, result: 'fail', detail: `${detail}: not valid yet`, advice: 'set the clock of this machine right' },
      ];
    if (days < 0) return [{ name, result: 'fail', detail: `${detail}: it is over`, advice: again }];
    const soon = days < CERTIFICATE_DAYS_LEAST;
    // an instance's agent replaces it long before
    if (soon && kind === 'instance')
      return [
        { name, result: 'warn', detail, advice: "look into the agent's log why it was not replaced; quorate rotate" },
      ];
    return [
      soon
        ? { name, result: 'warn', detail, advice: 'quorate rotate, before it is over' }
        : { name, result: 'ok', detail },
    ];
  } catch (error) {
    return [
      {
        name,
        result: 'fail',
        detail: (error as Error).message,
        advice: 'mend what it names, or join the cluster again',
      },
    ];
  }
}

export async function agentState({ state }: Settings): Promise<Check> {
  const status = await readStatus(state);
  if (!status)
    return { name: 'agent', result: 'warn', detail: 'has never run here', advice: 'quorate agent, best as a service' };
  if (!status.running)
    return {
      name: 'agent',
      result: 'warn',
      detail: 'does not run now; what it applied stays in place',
      advice: 'start it: quorate agent',
    };
  const bad = Object.entries(status.instance.bundles).filter(([, bundle]) => bundle.state !== 'applied');
  if (bad.length === 0) return { name: 'agent', result: 'ok', detail: `runs (pid ${status.agent.pid})` };
  return {
    name: 'agent',
    result: 'warn',
    detail: bad.map(([name, bundle]) => `${name}: ${bundle.state}`).join(', '),
    advice: 'quorate status tells why',
  };
}
