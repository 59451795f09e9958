import type { GateAnswer } from './plan.ts';

/** An alarm of CloudWatch, as it stood when it was looked at. */
export interface AlarmSeen {
  readonly name: string;
  /** `OK`, `ALARM` or `INSUFFICIENT_DATA` */
  readonly state: string;
  /** what CloudWatch says of it */
  readonly reason: string;
}

/** Characters of what is said of one alarm. */
const SHOWN = 200;

/**
 * What alarms say as the gate of a rollout: open when all are OK, shut when one is in ALARM, or is none. One that has no data has said neither.
 * @param region for messages
 */
export function judgeAlarms(wanted: readonly string[], seen: readonly AlarmSeen[], region: string): GateAnswer {
  const known = new Map(seen.map((alarm) => [alarm.name, alarm]));
  const missing = wanted.filter((name) => !known.has(name));
  if (missing.length > 0)
    return {
      state: 'shut',
      detail: `${region} has no alarm ${missing.join(', ')}: see rollout.gate.alarm in the definition, and aws.region in the settings`,
    };
  const told = [...known.values()].filter(({ name, state }) => wanted.includes(name) && state !== 'OK');
  const loud = told.filter(({ state }) => state === 'ALARM');
  if (loud.length > 0) return { state: 'shut', detail: describe(loud) };
  return told.length > 0 ? { state: 'unknown', detail: describe(told) } : { state: 'open', detail: '' };
}

function describe([first, ...others]: readonly AlarmSeen[]): string {
  const { name, state, reason } = first!;
  const why = reason.replace(/\s+/g, ' ').trim();
  const said = why ? `: ${why.length > SHOWN ? `${why.slice(0, SHOWN)}…` : why}` : '';
  const more = others.length > 0 ? `; so are ${others.map((alarm) => alarm.name).join(', ')}` : '';
  return `alarm ${name} is ${state}${said}${more}`;
}
