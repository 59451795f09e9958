import type { ClusterRecord, InstanceStatus, MachineRecord, MemberRecord, PlanRecord } from '@quorate/model';
import type { EnsembleConfiguration } from '@quorate/store';

/** What somebody outside sees of a cluster at one moment. */
export interface Observation {
  readonly configuration: EnsembleConfiguration;
  readonly plan: PlanRecord | undefined;
  readonly cluster: ClusterRecord | undefined;
  readonly records: readonly MemberRecord[];
  readonly machines: readonly MachineRecord[];
  readonly leaving: readonly string[];
  readonly statuses: readonly InstanceStatus[];
  /** number of the release that the bundle's head names; 0 when there is none */
  readonly head: number;
}

/** A machine that is there, as the lab knows. */
export interface Present {
  readonly id: string;
  readonly zone: string;
}

const ZONES_LEAST = 3;

/** The voters that there should be: an odd number, as many as the machines allow, no zone with a majority where there are three. */
export function votersFor(present: readonly Present[], most = 5): number {
  const zones = Map.groupBy(present, ({ zone }) => zone);
  for (let voters = most; voters > 1; voters -= 2) {
    const each = zones.size < ZONES_LEAST ? voters : Math.max(1, Math.floor(voters / 2));
    const places = [...zones.values()].reduce((sum, there) => sum + Math.min(there.length, each), 0);
    if (places >= voters) return voters;
  }
  return 1;
}

/** What is not yet as it should be at rest, in words; nothing when all is. Pure, and made apart from the plan that it judges. */
export function unsettled(seen: Observation, present: readonly Present[], away: readonly Present[] = []): string[] {
  return [
    ...planned(seen),
    ...membership(seen, present, away),
    ...serving(seen, present),
    ...tidy(seen, present, away),
  ];
}

function planned({ plan }: Observation): string[] {
  if (!plan) return ['nobody has told what the ensemble is to become'];
  return plan.settled
    ? []
    : [`${plan.controller} is not done: ${plan.reason}${plan.trouble ? `; ${plan.trouble}` : ''}`];
}

/** Every machine is a member, and nobody else, but for those that are away and not yet known to be dead. */
function membership(
  { configuration, records, cluster }: Observation,
  present: readonly Present[],
  away: readonly Present[],
): string[] {
  const holder = (id: number): string => records.find((record) => record.id === id)?.instance ?? `server ${id}`;
  const members = configuration.members.map(({ id }) => holder(id));
  const missing = present.filter(({ id }) => !members.includes(id)).map(({ id }) => `${id} is no member`);
  const strange = members
    .filter((name) => ![...present, ...away].some(({ id }) => id === name))
    .map((name) => `${name} is still a member`);
  const voters = configuration.members.filter(({ role }) => role === 'voter').map(({ id }) => holder(id));
  const wanted = votersFor([...present, ...away.filter(({ id }) => voters.includes(id))], cluster?.settings.voters);
  const count = voters.length === wanted ? [] : [`${voters.length} voters for ${wanted} that the machines allow`];
  return [...missing, ...strange, ...count, ...spread(voters, [...present, ...away])];
}

function spread(voters: readonly string[], all: readonly Present[]): string[] {
  const zones = Map.groupBy(all, ({ zone }) => zone);
  if (zones.size < ZONES_LEAST || voters.length < ZONES_LEAST) return [];
  return [...zones]
    .filter(([, there]) => there.filter(({ id }) => voters.includes(id)).length > voters.length / 2)
    .map(([zone]) => `zone ${zone} has a majority of the voters`);
}

function serving({ machines, records }: Observation, present: readonly Present[]): string[] {
  return present.flatMap(({ id }) => {
    const machine = machines.find(({ instance }) => instance === id);
    if (!machine) return [`${id} does not show itself`];
    const { member, incarnation } = machine;
    const record = records.find((one) => one.id === member?.id);
    if (!member || record?.incarnation !== incarnation) return [`${id} runs no member`];
    return member.state === 'serving' ? [] : [`${id} is ${member.state}: ${member.detail ?? 'no reason given'}`];
  });
}

/** Nothing is left of what is over. */
function tidy(
  { configuration, records, machines, leaving, statuses }: Observation,
  present: readonly Present[],
  away: readonly Present[],
): string[] {
  const there = (name: string): boolean => [...present, ...away].some(({ id }) => id === name);
  const configured = new Set(configuration.members.map(({ id }) => id));
  return [
    ...records
      .filter(({ id }) => !configured.has(id))
      .map(({ id, instance }) => `${instance} still holds server id ${id}`),
    ...machines.filter(({ instance }) => !there(instance)).map(({ instance }) => `${instance} still shows itself`),
    ...statuses.filter(({ id }) => !there(id)).map(({ id }) => `${id} still shows its status`),
    ...leaving.map((instance) => `${instance} is still asked to leave`),
  ];
}

/** P4: what keeps machines from the head. */
export function behind({ statuses, head }: Observation, bundle: string, present: readonly Present[]): string[] {
  return present.flatMap(({ id }) => {
    const status = statuses.find((one) => one.id === id)?.bundles[bundle];
    if (!status) return [`${id} does not tell of ${bundle}`];
    if (status.applied === head && status.state === 'applied') return [];
    const why = status.detail ? `: ${status.detail.split('\n')[0]}` : '';
    return [`${id} is on release ${status.applied} of ${head} (${status.state}${why})`];
  });
}
