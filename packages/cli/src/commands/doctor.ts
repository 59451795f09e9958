import { execFile } from 'node:child_process';
import { access, constants, readFile, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import {
  type ArchiveState,
  archiveState,
  exchangeHelper,
  holderOf,
  type LocalStatus,
  openArchive,
  parseServer,
  readStatus,
  requireJars,
  requireJava,
  type Settings,
  TrustFolder,
  whyNoNamespace,
} from '@quorate/agent';
import { surelyOff } from '@quorate/model';
import { Context, type GlobalFlags, openNamed } from '../context.ts';
import { type CliError, EXIT } from '../exit.ts';
import { CLOCK_ADVICE, clockIs, showOffset } from '../output/clock.ts';
import { paint } from '../output/style.ts';
import { judgeTime } from '../time/judge.ts';
import { observeTime } from '../time/observe.ts';
import { fleetChecks } from './doctor-fleet.ts';
import { warnAt } from './status.ts';

const run = promisify(execFile);

/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  readonly result: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  /** what to do */
  readonly advice?: string;
}

/** A publish needs room for the release twice, a member for its log: MB. */
const ROOM_LEAST = 256;
const CONNECT_MS = 5000;

/** Looks at everything that an instance needs, and says what to do. */
export async function doctor(flags: GlobalFlags): Promise<number> {
  await using context = await Context.open(flags);
  const { settings } = context;
  const groups = await Promise.all([
    nodeVersion(),
    settingsFile(settings),
    java(settings),
    zooKeeper(settings),
    room(settings),
    agentState(settings),
    timeService(settings),
    clockOffset(settings),
    appArmor(settings),
    namespaces(),
    swap(),
    lockHelper(),
    certificate(settings),
    fleetChecks(settings),
    backups(settings),
    archive(settings),
    storeReachable(settings),
  ]);
  const checks = groups.flat();
  context.print(checks, () => checks.map(drawCheck).join('\n'));
  return checks.some(({ result }) => result === 'fail') ? EXIT.failed : EXIT.done;
}

function drawCheck({ name, result, detail, advice }: Check): string {
  const mark = { ok: paint('green', '✓'), warn: paint('yellow', '!'), fail: paint('red', '✖') }[result];
  return `${mark} ${name.padEnd(12)} ${detail}${advice ? `\n  ${' '.repeat(12)} → ${advice}` : ''}`;
}

function nodeVersion(): Check {
  return { name: 'Node.js', result: 'ok', detail: process.versions.node };
}

function settingsFile({ file, store }: Settings): Check {
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

function certificate({ state }: Settings): Check[] {
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

async function java({ member, ensemble, store }: Settings): Promise<Check[]> {
  const needed = member ?? ensemble;
  if (!needed && store?.startsWith('dir:')) return [];
  const missing = needed ? 'fail' : 'warn';
  const look = async (name: string, found: () => Promise<string>): Promise<Check> => {
    try {
      return { name, result: 'ok', detail: await found() };
    } catch (error) {
      // "what is wrong: what to do"
      const [detail, ...advice] = (error as Error).message.split(': ');
      const only = needed ? '' : '; only a machine with a ZooKeeper member needs it';
      return { name, result: missing, detail: detail!, advice: `${advice.join(': ')}${only}` };
    }
  };
  return [
    await look('Java', async () => {
      const { major, path } = await requireJava();
      return `${major} (${path})`;
    }),
    await look('ZooKeeper', async () => {
      const { version = 'of an unknown version', folder } = await requireJars(needed?.jars);
      return `${version} (${folder})`;
    }),
  ];
}

/** The machine's ZooKeeper member as its agent tells of it; while no agent runs, whether its ports are free. */
async function zooKeeper({ member, ensemble, state }: Settings): Promise<Check[]> {
  if (!member && !ensemble) return [];
  const own = member?.servers[String(member.id)];
  if (member && own === undefined)
    return [
      {
        name: 'member',
        result: 'fail',
        detail: `member.id is ${member.id}, but member.servers does not have it`,
        advice: 'mend the settings file',
      },
    ];
  const status = await readStatus(state);
  if (status?.running && status.member) return [memberCheck(status.member)];
  const declared = own === undefined ? undefined : parseServer(member!.id, own);
  return [
    await freePorts(
      declared ? [declared.quorumPort, declared.electionPort, declared.clientPort] : Object.values(ensemble!.ports),
    ),
  ];
}

function memberCheck({ state, detail }: NonNullable<LocalStatus['member']>): Check {
  const name = 'member';
  if ((state === 'serving' && !detail) || state === 'absent')
    return { name, result: 'ok', detail: detail ?? 'it serves' };
  // "what is wrong: what to do"
  const [what, ...advice] = (detail ?? state).split(': ');
  return {
    name,
    result: 'warn',
    detail: `${state}: ${what}`,
    advice: advice.length > 0 ? advice.join(': ') : 'quorate status tells what it becomes',
  };
}

async function freePorts(ports: readonly number[]): Promise<Check> {
  const taken: string[] = [];
  for (const port of ports)
    if (!(await isFree(port)))
      taken.push(`${port} is in use by ${(await holderOf(port)) ?? 'a process that is hidden from this user'}`);
  if (taken.length === 0) return { name: 'ports', result: 'ok', detail: `${ports.join(', ')} are free` };
  return {
    name: 'ports',
    result: 'warn',
    detail: taken.join(', '),
    advice: 'unless that is this member (java): end it, or set other ports',
  };
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}

async function room({ state }: Settings): Promise<Check> {
  const folder = await existing(state);
  const { bavail, bsize } = await statfs(folder);
  const megabytes = Math.round((bavail * bsize) / 1024 / 1024);
  const writable = await access(folder, constants.W_OK).then(
    () => true,
    () => false,
  ); // the answer is the check
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
    if (
      at === '/' ||
      (await access(at).then(
        () => true,
        () => false,
      ))
    )
      return at; // climbs to what is there
  }
}

async function agentState({ state }: Settings): Promise<Check> {
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

/** Nothing depends on the clock; people who read times do. */
async function timeService({ root }: Settings): Promise<Check[]> {
  if (process.platform !== 'linux') return []; // publishers on macOS: their system keeps the clock
  return [{ name: 'clock', ...judgeTime(await observeTime(root)) }];
}

/** What the agent that runs has measured last. */
async function clockOffset(settings: Settings): Promise<Check[]> {
  const status = await readStatus(settings.state);
  const clock = status?.running ? status.instance.clock : undefined;
  if (!clock) return [];
  if (Math.abs(surelyOff(clock)) <= warnAt({ settings }) * 1000)
    return [{ name: 'offset', result: 'ok', detail: `${showOffset(clock)} against the leader` }];
  return [{ name: 'offset', result: 'warn', detail: `the clock is ${clockIs(clock)}`, advice: CLOCK_ADVICE }];
}

/** Programs that AppArmor confines may not follow links out of /etc: link: copy serves them. */
async function appArmor({ state }: Settings): Promise<Check> {
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
async function namespaces(): Promise<Check> {
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

function swap(): Check {
  const helper = exchangeHelper();
  if (helper) return { name: 'swap', result: 'ok', detail: `a folder and its link swap in one step (${helper})` };
  return {
    name: 'swap',
    result: 'warn',
    detail: 'no helper to swap two names in one step',
    advice: 'install perl-base: without it a folder is absent for an instant when it is adopted',
  };
}

async function lockHelper(): Promise<Check> {
  const found = await run('flock', ['--version']).then(
    () => true,
    () => false,
  ); // the answer is the check
  if (found) return { name: 'flock', result: 'ok', detail: 'flock(1) of util-linux' };
  return {
    name: 'flock',
    result: 'fail',
    detail: 'flock(1) was not found',
    advice: 'install util-linux: one agent per state folder is kept by it',
  };
}

async function backups({ backup, state }: Settings): Promise<Check[]> {
  if (!backup) return [];
  const name = 'backups';
  const usable = await access(backup.to, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  ); // the answer is the check
  if (!usable) {
    const advice = 'make the folder, mount the share, or name another under `backup:` in the settings';
    return [{ name, result: 'fail', detail: `${backup.to} is not there, or cannot be written by this user`, advice }];
  }
  const report = (await readStatus(state))?.backup;
  if (report?.state === 'failed')
    return [
      {
        name,
        result: 'warn',
        detail: report.detail ?? 'the last one failed',
        advice: '`quorate status` tells when the last one went well',
      },
    ];
  const last = report?.last;
  return [
    { name, result: 'ok', detail: last ? `${last.file}, found whole at ${last.time}` : `none yet in ${backup.to}` },
  ];
}

/** Any instance may come to lead, and then it is the one that copies. */
async function archive(settings: Settings): Promise<Check[]> {
  const { archive: own, ensemble } = settings;
  if (!ensemble) return [];
  const name = 'archive';
  const checks: Check[] = [];
  const said = await stateOfArchive(settings);
  if (said && said.to !== own?.to) {
    const detail = `the ensemble archives to ${said.to}, and the settings of this machine name ${own?.to ?? 'none'}`;
    const advice =
      "name the ensemble's under `archive:` in the settings: after the loss of all machines they are what counts";
    checks.push({ name, result: 'warn', detail, advice });
  }
  const to = said?.to ?? own?.to;
  if (to === undefined) return checks;
  try {
    await using opened = await openArchive(to, { signal: AbortSignal.timeout(CONNECT_MS) });
    const bundles = await opened.bundles({ signal: AbortSignal.timeout(CONNECT_MS) });
    if (to.startsWith('dir:')) await access(to.slice('dir:'.length), constants.W_OK | constants.X_OK);
    checks.push({
      name,
      result: 'ok',
      detail: `${to} answers, ${bundles.length === 0 ? 'no bundles yet' : `bundles: ${bundles.join(', ')}`}`,
    });
  } catch (error) {
    const advice = `mend it, or see to this user's rights: should this machine come to lead, nothing is archived`;
    checks.push({ name, result: 'fail', detail: (error as Error).message, advice });
  }
  return checks;
}

/** What the ensemble says of its archive; undefined also while it cannot be asked, which is told apart from this. */
async function stateOfArchive(settings: Settings): Promise<ArchiveState | undefined> {
  try {
    await using store = await openNamed(settings, CONNECT_MS);
    return await archiveState(store);
  } catch {
    return undefined; // `storeReachable` tells why
  }
}

async function storeReachable(settings: Settings): Promise<Check[]> {
  const { store } = settings;
  if (!store) return [];
  try {
    await using opened = await openNamed(settings, CONNECT_MS);
    const bundles = await opened.bundles();
    return [
      {
        name: 'store',
        result: 'ok',
        detail: `${store} answers, ${bundles.length === 0 ? 'no bundles yet' : `bundles: ${bundles.join(', ')}`}`,
      },
    ];
  } catch (error) {
    return [
      {
        name: 'store',
        result: 'fail',
        detail: (error as Error).message,
        advice: (error as CliError).hint ?? adviceFor(store),
      },
    ];
  }
}

function adviceFor(store: string): string {
  if (store.startsWith('s3:'))
    return 'check the network, the bucket, and what this machine may do there (docs/aws.md, Permissions)';
  return 'check the address, the network, and that a majority of the members runs';
}
