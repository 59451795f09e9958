import { execFile } from 'node:child_process';
import { access, constants, readdir, readFile, readlink, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { exchangeHelper, readStatus, type Settings, whyNoNamespace } from '@quorate/agent';
import { surelyOff } from '@quorate/model';
import { warnAt } from '../commands/status.ts';
import { CLOCK_ADVICE, clockIs, showOffset } from '../output/clock.ts';
import { judgeTime } from '../time/judge.ts';
import { observeTime } from '../time/observe.ts';
import { type Check, can } from './check.ts';

const run = promisify(execFile);

/** A publish needs room for the release twice, a member for its log: MB. */
const ROOM_LEAST = 256;

export function nodeVersion(): Check {
  return { name: 'Node.js', result: 'ok', detail: process.versions.node };
}

export async function room({ state }: Settings): Promise<Check> {
  const folder = await existing(state);
  const { bavail, bsize } = await statfs(folder);
  const megabytes = Math.round((bavail * bsize) / 1024 / 1024);
  const writable = await can(access(folder, constants.W_OK));
  if (!writable)
    return {
      name: 'disk',
      result: 'fail',
      detail: `${folder} cannot be written by this user`,
      advice: 'run as root, or choose another --state',
    };
  if (megabytes < ROOM_LEAST)
    return {
      name: 'disk',
      result: 'warn',
      detail: `${megabytes} MB free at ${folder}`,
      advice: `free some room: ${ROOM_LEAST} MB let any release be staged`,
    };
  return { name: 'disk', result: 'ok', detail: `${megabytes} MB free at ${folder}` };
}

async function existing(folder: string): Promise<string> {
  for (let at = folder; ; at = dirname(at)) {
    if (at === '/' || (await can(access(at)))) return at; // climbs to what is there
  }
}

/** Nothing depends on the clock; people who read times do. */
export async function timeService({ root }: Settings): Promise<Check[]> {
  if (process.platform !== 'linux') return []; // publishers on macOS: their system keeps the clock
  return [{ name: 'clock', ...judgeTime(await observeTime(root)) }];
}

/** What the agent that runs has measured last. */
export async function clockOffset(settings: Settings): Promise<Check[]> {
  const status = await readStatus(settings.state);
  const clock = status?.running ? status.instance.clock : undefined;
  if (!clock) return [];
  if (Math.abs(surelyOff(clock)) <= warnAt({ settings }) * 1000)
    return [{ name: 'offset', result: 'ok', detail: `${showOffset(clock)} against the leader` }];
  return [{ name: 'offset', result: 'warn', detail: `the clock is ${clockIs(clock)}`, advice: CLOCK_ADVICE }];
}

/** Programs that AppArmor confines may not follow links out of /etc: link: copy serves them. */
export async function appArmor({ state }: Settings): Promise<Check> {
  const profiles = await readFile('/sys/kernel/security/apparmor/profiles', 'utf8').catch(() => undefined); // no AppArmor, or not root
  const enforced = (profiles ?? '')
    .split('\n')
    .filter((line) => line.endsWith('(enforce)'))
    .map((line) => line.slice(0, line.lastIndexOf(' ')));
  const servers = enforced.filter((name) =>
    /nginx|haproxy|apache|postfix|dovecot|named|mysqld|slapd|dhcpd|squid|sshd/.test(name),
  );
  if (servers.length === 0)
    return {
      name: 'AppArmor',
      result: 'ok',
      detail: profiles === undefined ? 'not in use, or not to be read by this user' : 'confines no server here',
    };
  return {
    name: 'AppArmor',
    result: 'warn',
    detail: `confines ${servers.join(', ')}`,
    advice: `let them read ${state}/**, or use link: copy for their files`,
  };
}

/** Tried as a validation does it: the kernel, a container or a unit may forbid one part of it. */
export async function namespaces(): Promise<Check> {
  const name = 'namespaces';
  const why = process.platform === 'linux' ? await whyNoNamespace() : 'they are of Linux';
  if (why === undefined) return { name, result: 'ok', detail: 'releases can be validated at their native paths' };
  return {
    name,
    result: 'warn',
    detail: `mount namespaces cannot be used: ${why}`,
    advice:
      'run the agent as root, and let its container or unit make mount and process namespaces (docs/install.md); else validate commands run only if they read $QUORATE_STAGED',
  };
}

export function swap(): Check {
  const helper = exchangeHelper();
  if (helper) return { name: 'swap', result: 'ok', detail: `a folder and its link swap in one step (${helper})` };
  return {
    name: 'swap',
    result: 'warn',
    detail: 'no helper to swap two names in one step',
    advice: 'install perl-base: without it a folder is absent for an instant when it is adopted',
  };
}

export async function lockHelper(): Promise<Check> {
  const found = await can(run('flock', ['--version']));
  if (found) return { name: 'flock', result: 'ok', detail: 'flock(1) of util-linux' };
  return {
    name: 'flock',
    result: 'fail',
    detail: 'flock(1) was not found',
    advice: 'install util-linux: one agent per state folder is kept by it',
  };
}

/** inotify instances: six for a member with TLS (seen with ZooKeeper 3.9.5), one for the agent. */
const WATCHERS_LEAST = 7;

/** Instances of inotify are counted for a user, over all containers of a machine: what cannot be seen from here is in use all the same. */
export async function fileWatchers({ ensemble }: Settings): Promise<Check[]> {
  const limit = Number(await readFile('/proc/sys/fs/inotify/max_user_instances', 'utf8').catch(() => Number.NaN)); // not Linux
  if (!ensemble || Number.isNaN(limit)) return [];
  const used = await watchersInUse();
  const detail = `${used} of ${limit} inotify instances are in use by programs of this user`;
  if (limit - used >= WATCHERS_LEAST) return [{ name: 'watchers', result: 'ok', detail }];
  const advice =
    'sysctl fs.inotify.max_user_instances=512 gives more; without any a member is started anew for each new certificate, and edits are seen later';
  return [{ name: 'watchers', result: 'warn', detail, advice }];
}

async function watchersInUse(): Promise<number> {
  const uid = process.getuid?.() ?? 0;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const counts = await Promise.all(
    pids.map(async (pid) => {
      try {
        if ((await stat(`/proc/${pid}`)).uid !== uid) return 0;
        const files = await readdir(`/proc/${pid}/fd`);
        const targets = await Promise.all(files.map((file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => '')));
        return targets.filter((target) => target === 'anon_inode:inotify').length;
      } catch {
        return 0; // it has ended, or hides itself from this user
      }
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
