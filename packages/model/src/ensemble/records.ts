import * as v from 'valibot';
import { count, decodeRecord, encodeRecord, positive } from '../codec.ts';
import { ArchiveSchema, type ArchiveSettings } from './archive.ts';
import { ENSEMBLE_FORMAT } from './format.ts';
import { DEFAULT_ENSEMBLE, type EnsembleSettings } from './view.ts';

/** Seconds of silence after which the leader counts a machine as dead, where no cloud tells: longer than a usual server's reboot. */
export const DEFAULT_DEAD_AFTER = 300;

/** What holds for the whole cluster: the same for whoever leads. */
export interface ClusterSettings extends EnsembleSettings {
  /** seconds that a machine may be silent, as the leader alone measures them, until it counts as dead */
  readonly deadAfter: number;
  /** the newest releases of each bundle that stay; all where absent */
  readonly keep?: number;
  /** gets every release; there is none where absent */
  readonly archive?: ArchiveSettings;
}

export const DEFAULT_CLUSTER: ClusterSettings = { ...DEFAULT_ENSEMBLE, deadAfter: DEFAULT_DEAD_AFTER };

/** `ensemble/cluster`: which cluster this is, and how often it was founded. */
export interface ClusterRecord {
  readonly format: number;
  /** a UUID, made once */
  readonly cluster: string;
  /** 1 for the first founding; each re-founding adds one, and members of an older generation stay down */
  readonly generation: number;
  readonly settings: ClusterSettings;
  /** the last generation in which whoever leads has read the archive to its end; before it has, nothing is published */
  readonly archiveRead?: number;
}

/** Where a machine listens: on its address, but `local` on the loopback address only. */
export interface MemberPorts {
  /** clients, with TLS where the cluster has it */
  readonly client: number;
  /** the plain port of the loopback address */
  readonly local: number;
  readonly quorum: number;
  readonly election: number;
  /** the agent's own endpoint */
  readonly peer: number;
}

/** ZooKeeper's own, and two beside them. */
export const DEFAULT_PORTS: MemberPorts = { client: 2281, local: 2181, quorum: 2888, election: 3888, peer: 2280 };

/** `ensemble/members/<id>`: who holds a server id. It outlives the membership until the holder is known to have given it up. */
export interface MemberRecord {
  readonly format: number;
  readonly id: number;
  readonly instance: string;
  readonly incarnation: string;
  readonly zone: string;
  readonly address: string;
  readonly ports: MemberPorts;
  /** it was taken out of the configuration: the holder's data is of no more use */
  readonly left?: boolean;
}

/** How a machine's own ZooKeeper server stands. */
export interface MachineMember {
  readonly id: number;
  /** a word of the supervisor: `serving` and others that are not */
  readonly state: string;
  /** `leader`, `follower` or `observer` while it serves */
  readonly mode?: string;
  readonly detail?: string;
}

/** `ensemble/machines/<instance>`: a machine that can run a member, as long as it is there. */
export interface MachineRecord {
  readonly format: number;
  readonly instance: string;
  readonly incarnation: string;
  readonly zone: string;
  readonly address: string;
  readonly ports: MemberPorts;
  readonly member?: MachineMember;
  /** it ends within minutes, and nobody can hold that up: a spot instance that EC2 takes back */
  readonly ends?: boolean;
}

/** `ensemble/plan`: what the controller does and why, for people. */
export interface PlanRecord {
  readonly format: number;
  /** who leads */
  readonly controller: string;
  readonly settled: boolean;
  readonly reason: string;
  /** what hinders the step, as the ensemble or the network said it */
  readonly trouble?: string;
}

/** A machine as whoever made it knows it. */
export interface FleetInstance {
  readonly instance: string;
  readonly address?: string;
  readonly zone?: string;
  /** `terminated`: it is gone and never comes back. Absent: nobody knows */
  readonly state?: 'live' | 'terminated';
  /** Auto Scaling's word: `InService`, `Terminating:Wait`, … */
  readonly lifeCycle?: string;
}

/** What is known of a fleet that a cloud keeps. */
export interface FleetSight {
  readonly groups: readonly {
    readonly name: string /** how many instances it is to have */;
    readonly desired: number;
  }[];
  readonly instances: readonly FleetInstance[];
}

/** `ensemble/fleet`: what the leader's discovery saw, so that the others need not ask. */
export interface FleetRecord extends FleetSight {
  readonly format: number;
  /** who asked */
  readonly by: string;
}

const format = v.number();
const text = v.pipe(v.string(), v.nonEmpty());
const id = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(254));
const odd = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(1),
  v.maxValue(7),
  v.check((voters) => voters % 2 === 1, 'an odd number of voters'),
);

const ClusterSchema = v.object({
  format,
  cluster: text,
  generation: positive,
  settings: v.object({
    voters: odd,
    members: v.pipe(positive, v.maxValue(254)),
    deadAfter: positive,
    keep: v.optional(positive),
    archive: v.optional(ArchiveSchema),
  }),
  archiveRead: v.optional(positive),
});
const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
export const PortsSchema = v.object({ client: port, local: port, quorum: port, election: port, peer: port });
const holder = { instance: text, incarnation: text, zone: v.string(), address: text, ports: PortsSchema };
const MemberSchema = v.object({ format, id, ...holder, left: v.optional(v.boolean()) });
const MachineSchema = v.object({
  format,
  ...holder,
  member: v.optional(
    v.object({
      id: count,
      state: v.string(),
      mode: v.optional(v.string()),
      detail: v.optional(v.string()),
    }),
  ),
  ends: v.optional(v.boolean()),
});
const PlanSchema = v.object({
  format,
  controller: text,
  settled: v.boolean(),
  reason: v.string(),
  trouble: v.optional(v.string()),
});
const FleetSchema = v.object({
  format,
  by: text,
  groups: v.array(v.object({ name: text, desired: count })),
  instances: v.array(
    v.object({
      zone: v.optional(text),
      state: v.optional(v.picklist(['live', 'terminated'])),
      lifeCycle: v.optional(text),
      // instance, and its address where it has one
      of: v.array(v.union([v.strictTuple([text, text]), v.strictTuple([text])])),
    }),
  ),
});

/** Bytes of a record in the ensemble's tree. */
export const encodeEnsembleRecord = (record: object): Buffer => encodeRecord({ format: ENSEMBLE_FORMAT, ...record });

/** @throws ModelError BAD_RECORD, NEWER_FORMAT; likewise the others */
export const decodeCluster = (bytes: Uint8Array | string): ClusterRecord =>
  decodeRecord("the cluster's record", ENSEMBLE_FORMAT, ClusterSchema, bytes);
export const decodeMember = (bytes: Uint8Array | string): MemberRecord =>
  decodeRecord("a member's record", ENSEMBLE_FORMAT, MemberSchema, bytes);
export const decodeMachine = (bytes: Uint8Array | string): MachineRecord =>
  decodeRecord("a machine's record", ENSEMBLE_FORMAT, MachineSchema, bytes);
export const decodePlan = (bytes: Uint8Array | string): PlanRecord =>
  decodeRecord("the controller's record", ENSEMBLE_FORMAT, PlanSchema, bytes);

/** Those that stand alike are told together: a thousand machines in 40 KB, where ZooKeeper takes 1 MB. */
export function encodeFleet({ format, by, groups, instances }: FleetRecord): Buffer {
  const alike = new Map<string, { zone?: string; state?: string; lifeCycle?: string; of: string[][] }>();
  for (const { instance, address, ...standing } of instances) {
    const key = JSON.stringify([standing.zone, standing.state, standing.lifeCycle]);
    const { of } = alike.get(key) ?? alike.set(key, { ...standing, of: [] }).get(key)!;
    of.push(address === undefined ? [instance] : [instance, address]);
  }
  return encodeRecord({ format, by, groups, instances: [...alike.values()] });
}

export function decodeFleet(bytes: Uint8Array | string): FleetRecord {
  const { instances, ...record } = decodeRecord("the fleet's record", ENSEMBLE_FORMAT, FleetSchema, bytes);
  const flat = instances.flatMap(({ of, ...standing }) =>
    of.map(([instance, address]) => ({ instance, ...(address === undefined ? {} : { address }), ...standing })),
  );
  return { ...record, instances: flat };
}
