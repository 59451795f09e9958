import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Processes that a process started and has not seen end. */
export function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return []; // it ended while we looked, and its children are another's now
  }
}

/** Ends a process and all that descend from it now, parents first. */
export function endTree(pid: number): void {
  const children = childrenOf(pid);
  signal(pid, 'SIGKILL');
  for (const child of children) endTree(child);
}

/**
 * Signals one process. All signals of the testbed go through here: kill(2) takes 0, -1 and other negative numbers for groups and for
 * everybody, and this runs as root on somebody's machine.
 * @returns whether it was there to hear it
 */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 1) throw new Error(`${pid} is not a process that a testbed may signal`);
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false; // it has ended, which is what a signal is for here
    throw error;
  }
}

/** Living processes of a process namespace. @throws Error for the namespace of this process: those are not a machine's */
export function processesOf(namespace: string): number[] {
  if (namespace === processNamespace('self'))
    throw new Error('this namespace is the host\u2019s, not a machine\u2019s');
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => processNamespace(pid) === namespace && statOf(pid)?.[0] !== 'Z');
}

/** Names the process namespace that a process is in; undefined when there is no such process. */
export function processNamespace(pid: number | 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined; // it has ended
  }
}

/** Clock ticks since boot at which a process began, unique together with its number. Undefined when there is none. */
export function startTime(pid: number): string | undefined {
  return statOf(pid)?.[19];
}

/** Fields of /proc/PID/stat from the third, `state`, on: the second may hold spaces. */
export function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined; // no such process
  }
}

/** A process's command line, words ended by blanks. */
export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // it has ended
  }
}
