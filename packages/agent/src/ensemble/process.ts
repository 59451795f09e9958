import { readFile } from 'node:fs/promises';

/** A process by more than its number: numbers are used again, a number together with its start time is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** clock ticks since boot, field 22 of /proc/PID/stat */
  readonly started: string;
}

/** @returns undefined when no such process lives (a zombie does not live) */
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
  return fields[0] === 'Z' ? undefined : { pid, started: fields[19]! };
}

/** Whether exactly this process lives. */
export async function lives(identity: ProcessIdentity): Promise<boolean> {
  return (await identify(identity.pid))?.started === identity.started;
}
