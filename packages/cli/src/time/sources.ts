import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';

/** Where distributions keep them: Debian and Ubuntu, then Red Hat and Amazon Linux. */
export const CHRONY_FILES = ['/etc/chrony/chrony.conf', '/etc/chrony.conf'];
export const TIMESYNCD_FILES = [
  '/etc/systemd/timesyncd.conf',
  ...['/usr/lib', '/run', '/etc'].map((folder) => `${folder}/systemd/timesyncd.conf.d/*.conf`),
];
export const NTP_FILES = ['/etc/ntp.conf', '/etc/ntpsec/ntp.conf', '/etc/ntpd.conf', '/etc/openntpd/ntpd.conf'];

/** Files that name other files that name other files: more would be a circle. */
const DEPTH_MOST = 5;

/**
 * Names, addresses and devices that these files take the time from, in order, each once.
 * @param patterns files below the root, with `*` in the last part at most; those that are not there name nothing
 */
export async function configuredSources(root: string, patterns: readonly string[], depth = 0): Promise<string[]> {
  const found: string[] = [];
  for (const path of (await Promise.all(patterns.map((pattern) => expand(root, pattern)))).flat()) {
    const text = await readFile(join(root, path), 'utf8').catch(() => ''); // not there, or not for this user
    for (const line of text.split('\n')) {
      const { sources, more } = readLine(line, dirname(path));
      found.push(...sources);
      if (more.length > 0 && depth < DEPTH_MOST) found.push(...(await configuredSources(root, more, depth + 1)));
    }
  }
  return [...new Set(found)];
}

async function expand(root: string, pattern: string): Promise<string[]> {
  const folder = dirname(pattern);
  const [start = '', end] = basename(pattern).split('*');
  if (end === undefined) return [pattern];
  const names = await readdir(join(root, folder)).catch(() => []); // an optional folder
  return names
    .filter((name) => name.startsWith(start) && name.endsWith(end))
    .sort()
    .map((name) => join(folder, name));
}

/** A line of any of the four: their words do not contradict each other. */
function readLine(line: string, folder: string): { sources: string[]; more: string[] } {
  const timesyncd = /^\s*NTP\s*=\s*(.*)$/.exec(line); // not FallbackNTP: those are asked when nothing else is known
  if (timesyncd) return { sources: words(timesyncd[1]!), more: [] };
  const [word = '', first, second, ...rest] = words(line);
  const all = [first, second, ...rest].filter((value) => value !== undefined);
  switch (word.toLowerCase()) {
    case 'server':
    case 'servers':
    case 'pool':
    case 'peer':
      return { sources: first ? [first] : [], more: [] };
    case 'refclock': // chrony: refclock DRIVER PARAMETER
      return { sources: second ? [second.split(':')[0]!] : [], more: [] };
    case 'include':
      return { sources: [], more: all.slice(0, 1).map((path) => absolute(path, folder)) };
    case 'confdir':
      return { sources: [], more: all.map((path) => join(absolute(path, folder), '*.conf')) };
    case 'sourcedir':
      return { sources: [], more: all.map((path) => join(absolute(path, folder), '*.sources')) };
    default:
      return { sources: [], more: [] };
  }
}

const words = (line: string): string[] => line.split(/\s+/).filter((word) => word !== '');
const absolute = (path: string, folder: string): string => (isAbsolute(path) ? path : join(folder, path));
