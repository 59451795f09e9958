import type { ClusterSettings, MachineRecord, MemberRecord } from './records.ts';
import type { EnsembleView, Invited, Member } from './view.ts';

/** Seconds that an observer may take to come into sync until nobody waits for it. */
const LATE_AFTER = 60;
/** Seconds that a machine which is to be made may take, from the last that came: a usual instance boots in two to five minutes. */
const EXPECTED_FOR = 300;
const SERVING_MODES = new Set(['leader', 'follower', 'observer']);

/** What the one who leads has read and measured, all at about the same time. */
export interface EnsembleObservation {
  readonly version: string;
  /** the ensemble's own configuration */
  readonly configured: readonly { readonly id: number; readonly role: Member['role'] }[];
  readonly records: readonly MemberRecord[];
  readonly machines: readonly MachineRecord[];
  readonly leaving: ReadonlySet<string>;
  /** machines that whoever made them says are no more */
  readonly terminated: ReadonlySet<string>;
  /** seconds since a machine that is not there was last heard, on the leader's own monotonic clock */
  readonly silence: ReadonlyMap<string, number>;
  /** seconds since a member was last in sync, likewise */
  readonly behind: ReadonlyMap<number, number>;
  readonly settings: ClusterSettings;
  /** machines that whoever makes them still has to make, and seconds since the last of them came; where somebody can tell */
  readonly missing?: { readonly count: number; readonly seconds: number };
}

/** Facts for the plan, from what was observed. Pure. */
export function viewOf(seen: EnsembleObservation): EnsembleView {
  const records = new Map(seen.records.map((record) => [record.id, record]));
  const members = seen.configured.map(({ id, role }): Member => {
    const record = records.get(id);
    // an id without a holder was given away by somebody who was interrupted: no machine will ever start it
    const { instance, incarnation, zone } = record ?? { instance: nobody(id), incarnation: '', zone: '' };
    return { id, role, instance, incarnation, zone };
  });
  const configured = new Set(members.map(({ id }) => id));
  const gone = new Set([
    ...seen.terminated,
    ...members.filter(({ id }) => !records.has(id)).map(({ id }) => nobody(id)),
  ]);
  for (const [instance, seconds] of seen.silence) if (seconds >= seen.settings.deadAfter) gone.add(instance);
  const synced = new Set<number>();
  let leader = 0;
  for (const { member, instance, incarnation } of seen.machines) {
    const record = member && records.get(member.id);
    if (!record || record.instance !== instance || record.incarnation !== incarnation) continue;
    if (member.state !== 'serving' || !SERVING_MODES.has(member.mode ?? '')) continue;
    synced.add(member.id);
    if (member.mode === 'leader') leader = member.id;
  }
  return {
    config: { version: seen.version, members },
    synced,
    leader,
    live: seen.machines.map(({ instance, incarnation, zone }) => ({ instance, incarnation, zone })),
    invited: invitedOf(seen),
    gone,
    leaving: seen.leaving,
    ending: new Set(
      seen.machines.filter(({ instance, ends }) => ends && seen.leaving.has(instance)).map(({ instance }) => instance),
    ),
    late: new Set([...seen.behind].filter(([, seconds]) => seconds >= LATE_AFTER).map(([id]) => id)),
    reserved: new Set(seen.records.map(({ id }) => id).filter((id) => !configured.has(id))),
    ...(seen.missing && seen.missing.seconds < EXPECTED_FOR ? { expected: seen.missing.count } : {}),
    settings: seen.settings,
  };
}

const nobody = (id: number): string => `nobody-${id}`;

/** Holders of an id that are not in the configuration, have not been taken out of it, and are there. */
export function invitedOf({ records, configured, machines }: EnsembleObservation): Invited[] {
  return records
    .filter(({ id, left }) => !left && !configured.some((member) => member.id === id))
    .filter(({ instance, incarnation }) =>
      machines.some((machine) => machine.instance === instance && machine.incarnation === incarnation),
    )
    .map(({ id, instance, incarnation, zone }) => ({ id, instance, incarnation, zone }));
}

/**
 * Holders' records that have no use any more: the id is out of the configuration, and its holder is known to be dead or shows itself with
 * another data folder or under another id. Until then the id stays reserved.
 */
export function outdatedRecords(seen: EnsembleObservation): number[] {
  const configured = new Set(seen.configured.map(({ id }) => id));
  const { gone } = viewOf(seen);
  return seen.records
    .filter(({ id, instance, incarnation }) => {
      if (configured.has(id)) return false;
      const machine = seen.machines.find((one) => one.instance === instance);
      if (!machine) return gone.has(instance);
      // two controllers at once may have given it two ids: it took one
      const other = machine.member !== undefined && machine.member.id !== id;
      return machine.incarnation !== incarnation || other;
    })
    .map(({ id }) => id);
}
