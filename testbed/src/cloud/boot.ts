import type { Instance } from '../instance.ts';
import type { Spawned } from '../shell.ts';

/** Where cloud-init keeps it, and what it logs. */
const USER_DATA = '/etc/cloud/user-data';
const LOG = 'cloud-init-output.log';
/** Scripts that it runs at each boot. */
export const EACH_BOOT = '/var/lib/cloud/scripts/per-boot';

/** What stands in an image for what a namespace has not: a mirror of packages, and systemd. */
const STAND_INS = {
  // the file that is asked for, by dpkg; what it depends on is there, or dpkg says so
  'apt-get': `for last; do :; done
case " $* " in *" install "*) exec dpkg --force-unsafe-io --install "$last";; esac`,
  // a service's command, again and again as \`Restart=always\` says, without what else its unit says
  systemctl: `case "$1 $2" in "enable --now") ;; *) exit 0;; esac
mkdir -p ${EACH_BOOT}
cat >"${EACH_BOOT}/$3" <<SERVICE && chmod 0755 "${EACH_BOOT}/$3" && exec "${EACH_BOOT}/$3"
#!/bin/sh
(while :; do $(sed -n 's/^ExecStart=//p' "/lib/systemd/system/$3.service"); sleep 2; done) &
SERVICE`,
};

/** An image of Debian, as far as a namespace can be one. */
export async function makeImage(machine: Instance): Promise<void> {
  for (const [name, text] of Object.entries(STAND_INS)) {
    const path = `/usr/local/bin/${name}`;
    await machine.run(['sh', '-c', `cat >${path} && chmod 0755 ${path}`], { input: `#!/bin/sh\n${text}\n` });
  }
}

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
  return asCloudInit(machine, [USER_DATA], environment);
}

/** A later boot: what the first one has left for each. */
export async function bootAgain(machine: Instance, environment: Readonly<Record<string, string>>): Promise<Spawned> {
  return asCloudInit(machine, ['run-parts', EACH_BOOT], environment);
}

function asCloudInit(
  machine: Instance,
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
): Spawned {
  // nothing of what this process was told about AWS, Quorate or Node.js is meant for an instance
  const ours = Object.keys(process.env).filter((name) => /^(AWS|QUORATE|NODE|npm)_/.test(name));
  const theirs = Object.entries({ HOME: '/root', ...environment }).map(([name, value]) => `${name}=${value}`);
  return machine.spawn(['env', ...ours.flatMap((name) => ['-u', name]), ...theirs, ...command], { log: LOG });
}
