import { join } from 'node:path';
import { AgentError, arbiterOf, clusterSecret, discoveryOf, type Settings, TrustFolder } from '@quorate/agent';
import type { Check } from './check.ts';

/** ms for each of them: a service that hangs is a finding too */
const ASK_MS = 15_000;

/** What an ensemble that looks after itself needs beside its machines: who they are, who settles the founding, and what lets newcomers in. */
export async function fleetChecks(settings: Settings): Promise<Check[]> {
  if (!settings.ensemble) return [];
  return (await Promise.all([discovery(settings), arbiter(settings), secret(settings)])).flat();
}

async function discovery(settings: Settings): Promise<Check[]> {
  const found = discoveryOf(settings);
  return checked('discovery', async () => {
    const peers = await found.peers(AbortSignal.timeout(ASK_MS));
    const gone = peers.filter(({ state }) => state === 'terminated').length;
    const instances = peers.length - gone;
    return `${found.place}: ${instances} ${instances === 1 ? 'machine' : 'machines'}${gone > 0 ? `, ${gone} terminated` : ''}`;
  });
}

async function arbiter({ ensemble, state }: Settings): Promise<Check[]> {
  if (!ensemble?.arbiter) return [];
  const asked = arbiterOf(ensemble, state);
  return checked('arbiter', async () => {
    const { record } = await asked.read(AbortSignal.timeout(ASK_MS));
    const says = record ? `generation ${record.generation}, ${record.state}` : 'nobody has founded yet';
    return `${asked.place}: ${says}`;
  });
}

async function secret(settings: Settings): Promise<Check[]> {
  const { secret: kept } = settings.ensemble!;
  if (kept === undefined) return [];
  const place = typeof kept === 'string' ? kept : Object.entries(kept)[0]!.join(' ');
  const checks = await checked('secret', async () => {
    await clusterSecret(kept, settings);
    return `${place} can be read`;
  });
  // a machine that is in needs it only to let others in
  const isIn = TrustFolder.exists(join(settings.state, 'trust'));
  return checks.map((check) => (check.result === 'fail' && isIn ? { ...check, result: 'warn' } : check));
}

/** The errors say what to do. */
async function checked(name: string, look: () => Promise<string>): Promise<Check[]> {
  try {
    return [{ name, result: 'ok', detail: await look() }];
  } catch (error) {
    if (error instanceof AgentError) return [{ name, result: 'fail', detail: error.message }];
    if ((error as Error).name === 'TimeoutError')
      return [{ name, result: 'fail', detail: `no answer within ${ASK_MS / 1000} s`, advice: 'check the network' }];
    throw error;
  }
}
