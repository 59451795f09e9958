import { type ClusterSettings, DEFAULT_CLUSTER, DEFAULT_PORTS, type MemberPorts } from '@quorate/model';
import { bucketPlace } from '@quorate/store';
import * as v from 'valibot';
import type { RemoteSecret } from '../aws/secrets.ts';
import { absolute, readBy, text } from './values.ts';

/** This machine's own ZooKeeper member, declared by hand. */
export interface MemberSettings {
  /** server id, 1 to 254 */
  readonly id: number;
  /** every member of the ensemble: id → address, or `address:quorumPort:electionPort:clientPort` */
  readonly servers: Readonly<Record<string, string>>;
  /** megabytes of Java heap; 96 holds a usual fleet's releases (measured: 81 MB resident) */
  readonly heap: number;
  /** folder with ZooKeeper's jars; searched for where absent */
  readonly jars?: string;
}

/** How a machine finds the others of its fleet. */
export type DiscoverySettings =
  | { readonly addresses: readonly string[] }
  | { readonly dns: string }
  | { readonly file: string }
  /** the instance's own group where no groups are named */
  | { readonly autoScaling: { readonly groups?: readonly string[] } };

/** Where the arbiter's record is: in a folder on a share, or below a prefix of an S3 bucket. */
export type ArbiterSettings = { readonly file: string } | { readonly s3: string };

/** An ensemble that looks after itself: nobody declares who is a member. */
export interface EnsembleSection {
  /** the cluster's id, a UUID */
  readonly cluster: string;
  readonly discovery: DiscoverySettings;
  /** who settles which machine may found; the operator's word where absent */
  readonly arbiter?: ArbiterSettings;
  /** what the cluster begins with, where it is founded by this machine; from then on it stands in the ensemble */
  readonly founding: ClusterSettings;
  /** the cluster's secret, where machines join by it: a file, or where AWS keeps it */
  readonly secret?: string | RemoteSecret;
  readonly ports: MemberPorts;
  /** megabytes of Java heap; sized to the machine where absent */
  readonly heap?: number;
  /** folder with ZooKeeper's jars; searched for where absent */
  readonly jars?: string;
}

const bucketUrl = readBy(bucketPlace);
const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
const SecretSchema = v.union(
  [
    absolute,
    v.pipe(
      v.strictObject({ file: absolute }),
      v.transform(({ file }) => file),
    ),
    v.strictObject({ ssm: text }),
    v.strictObject({ secretsManager: text }),
    v.strictObject({ s3: v.pipe(v.string(), v.regex(/^s3:\/\/[^/?]+\/[^?]*[^/?](\?|$)/, 's3://BUCKET/KEY')) }),
  ],
  'an absolute path, or one of `{file: PATH}`, `{ssm: NAME}`, `{secretsManager: NAME}` and `{s3: s3://BUCKET/KEY}`',
);
/** `ensemble:` */
export const EnsembleSchema = v.strictObject({
  cluster: text,
  discovery: v.union(
    [
      v.strictObject({ addresses: v.array(text) }),
      v.strictObject({ dns: text }),
      v.strictObject({ file: absolute }),
      v.strictObject({
        autoScaling: v.nullish(v.strictObject({ groups: v.optional(v.pipe(v.array(text), v.minLength(1))) }), {}),
      }),
    ],
    'one of `addresses: [10.0.0.1, …]`, `dns: NAME`, `file: PATH` and `autoScaling: {groups: [NAME, …]}`',
  ),
  arbiter: v.optional(
    v.union(
      [v.strictObject({ file: absolute }), v.strictObject({ s3: bucketUrl })],
      'one of `file: PATH` and `s3: s3://BUCKET/PREFIX?region=…`',
    ),
  ),
  founding: v.optional(
    v.strictObject({
      voters: v.optional(v.picklist([1, 3, 5, 7], '1, 3, 5 or 7'), DEFAULT_CLUSTER.voters as 5),
      members: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(254)), DEFAULT_CLUSTER.members),
      deadAfter: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), DEFAULT_CLUSTER.deadAfter),
      keep: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
    }),
    {},
  ),
  secret: v.optional(SecretSchema),
  ports: v.optional(
    v.strictObject({
      client: v.optional(port, DEFAULT_PORTS.client),
      local: v.optional(port, DEFAULT_PORTS.local),
      quorum: v.optional(port, DEFAULT_PORTS.quorum),
      election: v.optional(port, DEFAULT_PORTS.election),
      peer: v.optional(port, DEFAULT_PORTS.peer),
    }),
    {},
  ),
  heap: v.optional(v.pipe(v.number(), v.integer(), v.minValue(48))),
  jars: v.optional(absolute),
});

/** `member:` */
export const MemberSchema = v.strictObject({
  id: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(254)),
  servers: v.record(v.pipe(v.string(), v.regex(/^\d+$/, 'a server id')), text),
  heap: v.optional(v.pipe(v.number(), v.integer(), v.minValue(48)), 96),
  jars: v.optional(absolute),
});
