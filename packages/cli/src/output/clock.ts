import { type ClockOffset, type InstanceStatus, surelyOff } from '@quorate/model';

/** What a clock that is off may do, and what it does not. */
export const CLOCK_ADVICE =
  'Quorate is right with any clock, but logs are hard to compare, certificates may seem expired or not yet valid, and signed requests may be refused: docs/clocks.md';

/** `+70.02 s ± 79 ms`: this machine's clock minus the leader's. The bound is rounded up. */
export function showOffset({ offset, error }: ClockOffset): string {
  return `${Math.round(offset) < 0 ? '-' : '+'}${amount(Math.abs(offset))} ± ${amount(Math.ceil(error))}`;
}

const TEN_SECONDS = 10_000;

function amount(ms: number): string {
  return ms < TEN_SECONDS ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** The clocks that were measured against the leader of now; others tell of another clock. */
export function comparableClocks(instances: readonly InstanceStatus[]): Map<string, ClockOffset> {
  const epoch = Math.max(...instances.map(({ clock }) => clock?.epoch ?? -1));
  const found = new Map<string, ClockOffset>();
  for (const { id, clock } of instances) if (clock?.epoch === epoch) found.set(id, clock);
  return found;
}

/**
 * A line for each clock that is surely further off than the bound; where most are, and to the same side, it is the leader's that is wrong.
 * @param warn seconds
 */
export function clockWarnings(instances: readonly InstanceStatus[], warn: number): string[] {
  const clocks = comparableClocks(instances);
  const off = [...clocks].filter(([, clock]) => Math.abs(surelyOff(clock)) > warn * 1000);
  const leader = instances.find(({ member }) => member === 'leader')?.id;
  const others = [...clocks.keys()].filter((id) => id !== leader).length;
  const ahead = off.filter(([, { offset }]) => offset > 0).length;
  const most = Math.max(ahead, off.length - ahead);
  const lines = off.map(([id, clock]) => `the clock of ${id} is ${clockIs(clock)}`);
  if (most > 1 && most * 2 > others)
    lines.push(
      `most clocks are ${ahead === most ? 'ahead of' : 'behind'} the leader's${leader ? `, ${leader}` : ''}: probably it is the leader's clock that is wrong`,
    );
  return lines;
}

/** `70.02 s ahead of the leader's (± 79 ms)` */
export function clockIs({ offset, error }: ClockOffset): string {
  return `${amount(Math.abs(offset))} ${offset < 0 ? 'behind' : 'ahead of'} the leader's (± ${amount(Math.ceil(error))})`;
}
