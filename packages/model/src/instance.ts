import * as v from 'valibot';
import { type ClockOffset, ClockSchema } from './clock.ts';
import { count, decodeRecord, encodeRecord } from './codec.ts';
import { type DriftStatus, DriftStatusSchema } from './drift.ts';

export const STATUS_FORMAT = 1;

/**
 * How a bundle stands on an instance. `applied` is the one good end; every other word tells what keeps it from there,
 * while the release in `applied` goes on serving.
 */
export const BUNDLE_STATES = [
  'applied', // the head's release is live
  'applying', // on the way
  'rolled-back', // reload or health failed; the previous release is live again
  'refused', // the manifest or the definition is not acceptable here (allowed roots, links that lead out, unknown format)
  'disk-full',
  'read-only', // the native path or the state folder cannot be written
  'missing-parent', // the folder that should hold the native root is not there
  'replaced', // somebody put something else where Quorate's link was
  'unreachable', // the store cannot be reached; what is here stays
  'failed', // anything else: see detail
] as const;
export type BundleState = (typeof BUNDLE_STATES)[number];

/** What the health check says of a release that is being rolled out: `checking` until it was healthy for as long as it has to be. */
export const HEALTH_STATES = ['checking', 'healthy', 'unhealthy'] as const;
export type HealthState = (typeof HEALTH_STATES)[number];

export interface BundleStatus {
  /** number of the release that native paths resolve to; 0 when none is applied yet */
  readonly applied: number;
  readonly digest: string;
  /** number of the release that this instance is to run by the head, as far as is known */
  readonly target: number;
  readonly state: BundleState;
  /** while its release is being rolled out, where the bundle has a health check */
  readonly health?: HealthState;
  /** what happened and what to do, with the output of a failed command */
  readonly detail?: string;
  /** how its files differ from the applied release */
  readonly drift?: DriftStatus;
}

/** What an instance tells the fleet about itself. */
export interface InstanceStatus {
  readonly format: number;
  readonly id: string;
  readonly host: string;
  readonly address?: string;
  readonly zone?: string;
  /** as its settings have them */
  readonly tags?: Readonly<Record<string, string>>;
  /** of the machine, in MiB */
  readonly memory?: number;
  /** that its processes may use */
  readonly cores?: number;
  /** Quorate's version there */
  readonly version: string;
  /** what its ZooKeeper member is now: `leader`, `follower`, `observer`; absent where no member runs */
  readonly member?: string;
  readonly bundles: Readonly<Record<string, BundleStatus>>;
  /** how far its clock is from the leader's */
  readonly clock?: ClockOffset;
  /** of the machine that leads, where there are some: deployments that are not published, and why */
  readonly deployments?: readonly DeploymentFault[];
}

export interface DeploymentFault {
  /** undefined where it is that of all */
  readonly bundle?: string;
  /** and what to do */
  readonly reason: string;
}

const StatusSchema = v.object({
  format: v.number(),
  id: v.string(),
  host: v.string(),
  address: v.optional(v.string()),
  zone: v.optional(v.string()),
  tags: v.optional(v.record(v.string(), v.string())),
  memory: v.optional(count),
  cores: v.optional(count),
  version: v.string(),
  member: v.optional(v.string()),
  bundles: v.record(
    v.string(),
    v.object({
      applied: count,
      digest: v.string(),
      target: count,
      state: v.picklist(BUNDLE_STATES),
      health: v.optional(v.picklist(HEALTH_STATES)),
      detail: v.optional(v.string()),
      drift: v.optional(DriftStatusSchema),
    }),
  ),
  clock: v.optional(ClockSchema),
  deployments: v.optional(v.array(v.object({ bundle: v.optional(v.string()), reason: v.string() }))),
});

export const encodeStatus = (status: InstanceStatus): Buffer => encodeRecord(status);

/** @throws ModelError BAD_RECORD or NEWER_FORMAT */
export function decodeStatus(bytes: Uint8Array | string): InstanceStatus {
  return decodeRecord('the instance status', STATUS_FORMAT, StatusSchema, bytes);
}
