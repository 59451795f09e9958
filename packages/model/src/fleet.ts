import { type FleetMember, fleetOf } from './facts.ts';

/** ms for which a new or another instance must be seen, and one that left must be gone, until templates are told. */
export const FLEET_HOLD_MS = { came: 2000, left: 10_000 } as const;
/** An instance that left before is believed later: each time twice as late, up to this many times. */
const DOUBT_MOST = 32;
/** ms of staying as it is after which an instance is believed as quickly as any. */
export const FLEET_CALM_MS = 600_000;

/** A fleet as templates are told of it, and what has been seen otherwise since. Times are this machine's monotonic ms. */
export interface SettledFleet {
  readonly members: readonly FleetMember[];
  /** since when an instance is seen as it is not in `members` */
  readonly doubts: ReadonlyMap<string, { readonly seen: string; readonly since: number }>;
  /** how often an instance left lately, and when it was last seen otherwise than it was told */
  readonly left: ReadonlyMap<string, { readonly times: number; readonly at: number }>;
}

export function settledFleet(members: readonly FleetMember[]): SettledFleet {
  return { members, doubts: new Map(), left: new Map() };
}

/**
 * What templates are told, after a look at the fleet: an instance that comes and goes does not reload all others each time.
 * @returns `due`: ms until another look can change it, if nothing else does
 */
export function settleFleet(
  before: SettledFleet,
  seen: readonly FleetMember[],
  now: number,
): { readonly fleet: SettledFleet; readonly due?: number } {
  const told = byId(before.members);
  const there = byId(seen);
  const doubts = new Map<string, { seen: string; since: number }>();
  const left = new Map([...before.left].filter(([, { at }]) => now - at < FLEET_CALM_MS));
  let due: number | undefined;
  for (const id of new Set([...told.keys(), ...there.keys()])) {
    const [was, is] = [told.get(id), there.get(id)];
    const text = is ? JSON.stringify(is) : '';
    if (text === (was ? JSON.stringify(was) : '')) continue;
    const known = before.doubts.get(id);
    const since = known?.seen === text ? known.since : now;
    const wait = since + holdMs(is !== undefined, left.get(id)?.times ?? 0) - now;
    if (wait > 0) {
      doubts.set(id, { seen: text, since });
      if (left.has(id)) left.set(id, { times: left.get(id)!.times, at: now });
      due = Math.min(due ?? wait, wait);
      continue;
    }
    if (is) told.set(id, is);
    else {
      told.delete(id);
      left.set(id, { times: (left.get(id)?.times ?? 0) + 1, at: now });
    }
  }
  const members = fleetOf(told.values());
  const same = JSON.stringify(members) === JSON.stringify(before.members);
  const fleet = { members: same ? before.members : members, doubts, left };
  return due === undefined ? { fleet } : { fleet, due };
}

const holdMs = (came: boolean, times: number): number =>
  (came ? FLEET_HOLD_MS.came : FLEET_HOLD_MS.left) * Math.min(2 ** times, DOUBT_MOST);

const byId = (members: readonly FleetMember[]): Map<string, FleetMember> =>
  new Map(members.map((member) => [member.id, member]));
