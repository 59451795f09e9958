import type { Instance } from '../instance.ts';
import type { Spawned } from '../shell.ts';

/** Where cloud-init keeps it, and what it logs. */
const USER_DATA = '/etc/cloud/user-data';
const LOG = 'cloud-init-output.log';

/**
 * The first boot of an instance, as far as cloud-init has to do with it: a user data that is a script is run as root, and its output kept.
 * What the script starts stays. Its end is not waited for: a machine that is up need not have booted.
 */
export async function boot(
  machine: Instance,
  userData: string,
  environment: Readonly<Record<string, string>>,
): Promise<Spawned> {
  if (!userData.startsWith('#!'))
    throw new Error(`the user data of ${machine.id} is no script: ${userData.slice(0, 40)}`);
  await machine.write(USER_DATA, userData);
  await machine.run(['chmod', '0700', USER_DATA]);
  // nothing of what this process was told about AWS, Quorate or Node.js is meant for an instance
  const ours = Object.keys(process.env).filter((name) => /^(AWS|QUORATE|NODE|npm)_/.test(name));
  const theirs = Object.entries({ HOME: '/root', ...environment }).map(([name, value]) => `${name}=${value}`);
  return machine.spawn(['env', ...ours.flatMap((name) => ['-u', name]), ...theirs, USER_DATA], { log: LOG });
}
