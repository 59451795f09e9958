import { readdir, readFile, readlink, stat } from 'node:fs/promises';

/** A process by more than its number: numbers are used again, a number together with its start time is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** clock ticks since boot, field 22 of /proc/PID/stat */
  readonly started: string;
}

/** @returns undefined when no such process lives (a zombie does not live, once all of its threads have ended) */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch {
    // no such entry: the process is gone, which is an answer
    return undefined;
  }
  // the name in parentheses may hold anything, also spaces and parentheses
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // its first thread may be a zombie while the others still end, and keep its ports and files until they have
  const isDead = fields[0] === 'Z' && Number(fields[17]) <= 1;
  return isDead ? undefined : { pid, started: fields[19]! };
}

/** Whether exactly this process lives. */
export async function lives(identity: ProcessIdentity): Promise<boolean> {
  const now = await identify(identity.pid);
  return now !== undefined && now.started === identity.started;
}

/** An identity from a note; undefined for what a crash has torn. */
export function parseIdentity<More extends object>(text: string): (ProcessIdentity & Partial<More>) | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // torn: whoever wrote it had not come far
    return undefined;
  }
  const { pid, started } = (value ?? {}) as Partial<ProcessIdentity>;
  if (!Number.isSafeInteger(pid) || pid! <= 1 || typeof started !== 'string') return undefined;
  return value as ProcessIdentity & Partial<More>;
}

/** A process that works in a folder and has a word on its command line. */
export async function runningIn(folder: string, word: string): Promise<ProcessIdentity | undefined> {
  for (const name of await readdir('/proc')) {
    if (/^\d+$/.test(name) && (await worksIn(Number(name), folder, word))) return await identify(Number(name));
  }
  return undefined;
}

/** Whether a process works in a folder and has a word on its command line. The folder itself is compared: its path may be another machine's in a container. */
export async function worksIn(pid: number, folder: string, word: string): Promise<boolean> {
  try {
    if (!(await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').includes(word)) return false;
    const [here, there] = await Promise.all([stat(folder), stat(`/proc/${pid}/cwd`)]);
    return there.ino === here.ino && there.dev === here.dev;
  } catch {
    // it ended while we looked, is another user's, or the folder was never made: not ours
    return false;
  }
}

/** How many processes the kernel has killed for want of memory since it booted; 0 where it does not tell. */
export async function memoryKills(): Promise<number> {
  const counters = await readFile('/proc/vmstat', 'utf8').catch(() => ''); // not shown in every container
  return Number(/^oom_kill (\d+)$/m.exec(counters)?.[1] ?? 0);
}

/** What a process has open, as the kernel names it: a path (with ` (deleted)` behind it), `socket:[N]` …; nothing for what this user may not see. */
export async function openFiles(pid: number | string): Promise<string[]> {
  const folder = `/proc/${pid}/fd`;
  const files = await readdir(folder).catch(() => [] as string[]); // it ended, or is another user's
  return Promise.all(files.map((file) => readlink(`${folder}/${file}`).catch(() => ''))); // closed since
}
