import { join } from 'node:path';
import { joinCluster, orders } from '@quorate/agent';
import type { GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { SettingsFile } from '../settings-file.ts';
import { machineOf } from './found.ts';

/** Makes this machine part of a cluster: its certificate comes from the machine that made the token. */
export async function joinWith(
  token: string,
  flags: GlobalFlags,
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  const { instance, address, zone, state } = machineOf(flags, env);
  const settings = (cluster: string, addresses: readonly string[]): object => ({
    instance,
    address,
    ...(zone ? { zone } : {}),
    ensemble: { cluster, discovery: { addresses } },
  });
  await SettingsFile.prepare(settings('to-be-told', [address]), flags, env); // before the token is used
  const grant = await joinCluster(
    { token: token === '-' ? await readToken() : token },
    {
      instance,
      addresses: [address],
      folder: join(state, 'trust'),
    },
  );
  const file = await SettingsFile.prepare(settings(grant.cluster, grant.instances), { ...flags, yes: true }, env);
  await file.write();
  await orders.stay(state);
  if (flags.json) console.log(JSON.stringify({ cluster: grant.cluster, settings: file.path }, null, 2));
  else
    console.log(
      `${file.path} is written; this machine belongs to the cluster ${grant.cluster}\n→ next: quorate agent (best as a service)`,
    );
  return EXIT.done;
}

/** From standard input: a command line can be read by every user of the machine. */
async function readToken(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  if (text.trim() !== '') return text.trim();
  throw new CliError(EXIT.usage, 'there is no token on standard input', 'quorate join - < token');
}
