import type { ArchiveState } from '@quorate/agent';
import { paint } from './style.ts';

/** How the archive stands, for people: the first line says it, the others what hinders it. */
export function describeArchive({ to, durability, open, behind, trouble, faults = [], since }: ArchiveState): string[] {
  const lag = behind === 1 ? '1 release behind' : `${behind} releases behind`;
  const state = open
    ? behind === 0
      ? paint('green', 'has every release')
      : paint('yellow', lag)
    : paint('red', 'publishers wait until it is read');
  const why = [...(trouble ? [trouble] : []), ...faults.map(({ bundle, reason }) => `${bundle}: ${reason}`)];
  return [
    `${to}, durability ${durability}: ${state}${since ? `, in trouble since ${since}` : ''}`,
    ...why.map((line) => paint('yellow', line)),
  ];
}
