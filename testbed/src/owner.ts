import { processNamespace, startTime } from './processes.ts';

/** Matches an owner in a name. */
export const OWNER = '(\\d+-\\d+-\\d+)';

/** This process, told apart from all others that have had or will have its number. */
export function ownerName(): string {
  return [process.pid, startTime(process.pid), namespaceNumber()].join('-');
}

/** Whether an owner lives no more. One of another process namespace cannot be seen from here: it may live, so what it owns stays. */
export function isGone(owner: string): boolean {
  const [pid, started, namespace] = owner.split('-');
  return namespace === namespaceNumber() && startTime(Number(pid)) !== started;
}

function namespaceNumber(): string {
  const name = processNamespace('self');
  const number = name && /\d+/.exec(name)?.[0];
  if (!number) throw new Error('/proc does not tell the process namespace of this process: is it mounted?');
  return number;
}
