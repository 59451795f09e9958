import type { ClusterRecord, MemberRecord } from './records.ts';

/** What a machine knows when it decides what its own ZooKeeper server does, while the ensemble can be asked. */
export interface MembershipView {
  readonly instance: string;
  /** of its data folder; `id` as soon as it was given one */
  readonly identity: {
    readonly cluster: string;
    readonly generation: number;
    readonly incarnation: string;
    readonly id?: number;
  };
  /** what the ensemble says; its record is there as soon as it is founded */
  readonly cluster: ClusterRecord | undefined;
  readonly records: readonly MemberRecord[];
  /** server ids in the ensemble's configuration */
  readonly configured: ReadonlySet<number>;
}

export type MembershipDecision =
  /** the server runs, or is started, under the id that its data has */
  | { readonly kind: 'run'; readonly id: number; readonly reason: string }
  /** an id was given to this machine: its server starts empty under it, as a follower without a vote until the configuration has it */
  | { readonly kind: 'join'; readonly id: number; readonly reason: string }
  /** its data is of no more use: it is moved aside, and the machine offers itself with an empty folder */
  | { readonly kind: 'renew'; readonly reason: string }
  /** no server runs here for now */
  | { readonly kind: 'wait'; readonly reason: string };

/** What a machine's own server does, from what a serving ensemble says of it. Pure. */
export function planMembership({
  instance,
  identity,
  cluster,
  records,
  configured,
}: MembershipView): MembershipDecision {
  const { id, incarnation } = identity;
  if (!cluster)
    return id === undefined
      ? { kind: 'wait', reason: 'the ensemble that answers is not founded yet' }
      : { kind: 'run', id, reason: 'the ensemble is being founded' };
  if (cluster.cluster !== identity.cluster)
    return {
      kind: 'wait',
      reason: `the ensemble that answers is of cluster ${cluster.cluster}, this machine belongs to ${identity.cluster}: look at the addresses in its settings`,
    };
  if (cluster.generation < identity.generation)
    return {
      kind: 'wait',
      reason: `the ensemble that answers is of generation ${cluster.generation}, older than this machine's ${identity.generation}: it must be stopped`,
    };
  if (id === undefined) return planJoin(identity, cluster, records, instance);
  if (cluster.generation > identity.generation)
    return {
      kind: 'renew',
      reason: `the ensemble was founded again (generation ${cluster.generation}) while this server was away: its data of generation ${identity.generation} is set aside`,
    };
  const record = records.find((one) => one.id === id);
  if (record && record.incarnation === incarnation && record.instance === instance) {
    if (configured.has(id)) return { kind: 'run', id, reason: `server ${id} is a member` };
    const other = records.find((one) => one.incarnation === incarnation && configured.has(one.id));
    if (other)
      return {
        kind: 'renew',
        reason: `two server ids were given to this machine, ${id} and ${other.id}: it begins anew`,
      };
    if (!record.left) return { kind: 'run', id, reason: `server ${id} is invited` };
    return { kind: 'renew', reason: `server ${id} was taken out of the ensemble` };
  }
  return { kind: 'renew', reason: `server ${id} was taken out of the ensemble while this machine was away` };
}

function planJoin(
  { incarnation, generation }: MembershipView['identity'],
  cluster: ClusterRecord,
  records: readonly MemberRecord[],
  instance: string,
): MembershipDecision {
  const given = records.find((record) => record.incarnation === incarnation && record.instance === instance);
  if (given && !given.left && generation === cluster.generation)
    return { kind: 'join', id: given.id, reason: `server id ${given.id} was given to this machine` };
  if (generation !== cluster.generation)
    return { kind: 'renew', reason: `the ensemble is of generation ${cluster.generation}` };
  return { kind: 'wait', reason: 'this machine is a client until the ensemble wants it as a member' };
}
