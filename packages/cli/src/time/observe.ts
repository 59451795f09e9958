import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CHRONY_FILES, configuredSources, NTP_FILES, TIMESYNCD_FILES } from './sources.ts';

const run = promisify(execFile);

/** Programs that correct a clock, by the name of their process, which the kernel cuts off after 15 letters. */
const SERVICES: Readonly<Record<string, TimeService>> = {
  chronyd: 'chrony',
  'systemd-timesyn': 'systemd-timesyncd',
  ntpd: 'ntpd',
  phc2sys: 'phc2sys',
};

export type TimeService = 'chrony' | 'systemd-timesyncd' | 'ntpd' | 'phc2sys';

/** Who keeps this machine's clock, as far as can be seen from here without asking the network. */
export interface TimeView {
  /** that run now */
  readonly services: readonly TimeService[];
  /** where the one that runs takes the time from: host names, addresses, devices */
  readonly sources: readonly string[];
  /** whether the service or the kernel calls the clock set; undefined where neither tells */
  readonly synchronised: boolean | undefined;
  /** processes of the machine itself are not seen from inside a container */
  readonly container: boolean;
  readonly aws: boolean;
}

/** Reads files and asks programs of this machine, which runs Linux; changes nothing. @param root where the files lie, if it holds a running system */
export async function observeTime(root: string): Promise<TimeView> {
  const here = (await processNames(root)).length > 0 ? root : '/';
  const names = await processNames(here);
  const services = [...new Set(names.flatMap((name) => SERVICES[name] ?? []))];
  const told = here === '/' && services.includes('chrony') ? await askChrony() : undefined;
  return {
    services,
    sources: told?.sources ?? (await configured(here, services)),
    synchronised: told?.synchronised ?? (await synchronised(here, services)),
    container: await any(here, '.dockerenv', 'run/.containerenv', 'run/systemd/container'),
    aws: await isAws(here),
  };
}

async function processNames(root: string): Promise<string[]> {
  const entries = await readdir(join(root, 'proc')).catch(() => []); // no running system below this root
  const names = entries.filter((entry) => /^\d+$/.test(entry)).map((pid) => read(root, `proc/${pid}/comm`));
  return (await Promise.all(names)).map((name) => name.trim()).filter((name) => name !== '');
}

/** '' for a file that is not there or may not be read: it tells nothing then. */
const read = (root: string, path: string): Promise<string> => readFile(join(root, path), 'utf8').catch(() => '');

async function any(root: string, ...paths: string[]): Promise<boolean> {
  const found = await Promise.all(paths.map((path) => readFile(join(root, path)).then(Boolean, () => false))); // the answer is the question
  return found.includes(true);
}

function configured(root: string, services: readonly TimeService[]): Promise<string[]> {
  if (services.includes('chrony')) return configuredSources(root, CHRONY_FILES);
  if (services.includes('systemd-timesyncd')) return configuredSources(root, TIMESYNCD_FILES);
  if (services.includes('ntpd')) return configuredSources(root, NTP_FILES);
  return Promise.resolve([]);
}

/** What chronyd says of itself, over its socket or the loopback address. */
async function askChrony(): Promise<{ sources: string[]; synchronised: boolean } | undefined> {
  try {
    const [tracking, sources] = await Promise.all(
      ['tracking', 'sources'].map((word) => run('chronyc', ['-n', '-c', word], { timeout: 5000 })),
    );
    return readChrony(tracking!.stdout, sources!.stdout);
  } catch {
    return undefined; // not installed, or it may not be asked: its files and the kernel tell the rest
  }
}

/**
 * What `chronyc -c` prints: the last field of `tracking` is the leap status; `sources` has a line for each, with its state (`*` for the one
 * that is followed) and its address or device second and third.
 */
export function readChrony(tracking: string, sources: string): { sources: string[]; synchronised: boolean } {
  const lines = sources.split('\n').map((line) => line.split(','));
  const followed = ([, state]: readonly string[]): boolean => state === '*';
  const sorted = [...lines.filter(followed), ...lines.filter((line) => !followed(line))];
  return {
    synchronised: !tracking.trim().endsWith('Not synchronised'),
    sources: sorted.flatMap(([, , name]) => name ?? []),
  };
}

/** adjtimex(2) by its number; it returns TIME_ERROR, 5, while nobody has set the clock. With `modes` 0, as in zeroes, it only reads. */
const ADJTIMEX: Partial<Record<NodeJS.Architecture, number>> = { x64: 159, arm64: 171 };
const TIMEX_BYTES = 208;

async function synchronised(root: string, services: readonly TimeService[]): Promise<boolean | undefined> {
  if (services.includes('systemd-timesyncd') && (await any(root, 'run/systemd/timesync/synchronized'))) return true;
  const told = root === '/' ? await askKernel() : undefined;
  // chrony tells the kernel only with `rtcsync`, phc2sys never: their silence is no answer
  const silent = services.includes('chrony') || services.includes('phc2sys');
  return told === false && silent ? undefined : told;
}

async function askKernel(): Promise<boolean | undefined> {
  const number = ADJTIMEX[process.arch];
  if (number === undefined) return undefined;
  const script = `my $timex = "\\0" x ${TIMEX_BYTES}; print syscall(${number}, $timex)`;
  const { stdout } = await run('perl', ['-e', script]).catch(() => ({ stdout: '' })); // no perl: unknown
  return /^[0-5]$/.test(stdout) ? stdout !== '5' : undefined;
}

/** Instances on Nitro name their maker; those on Xen have a number that begins with `ec2`, or Amazon's firmware. */
async function isAws(root: string): Promise<boolean> {
  const dmi = await Promise.all(
    ['sys_vendor', 'board_vendor', 'bios_version'].map((name) => read(root, `sys/class/dmi/id/${name}`)),
  );
  return dmi.some((text) => /amazon/i.test(text)) || /^ec2/i.test(await read(root, 'sys/hypervisor/uuid'));
}
