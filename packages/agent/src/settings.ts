import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import {
  type ArchiveSettings,
  CLOCK_WARN_SECONDS,
  type ClusterSettings,
  DEFAULT_CLUSTER,
  DEFAULT_PORTS,
  describeFaults,
  type Hook,
  type MemberPorts,
  noticeTopic,
  parsePublicKey,
  type TrustedKey,
} from '@quorate/model';
import { bucketPlace } from '@quorate/store';
import * as v from 'valibot';
import type { InstanceFacts } from './aws/facts.ts';
import type { RemoteSecret } from './aws/secrets.ts';
import { AgentError } from './errors.ts';
import { trustPaths } from './trust/folder.ts';

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

/** How this instance takes part in what its group does with it. */
export interface LifeCycleSettings {
  /** names of the group's hooks that this instance completes; others are left alone */
  readonly launching: string;
  readonly terminating: string;
  /** what becomes of an instance whose first configuration cannot be applied */
  readonly onFailure: 'wait' | 'abandon';
  /** whom the group may not choose when it becomes smaller */
  readonly protect: 'nobody' | 'voters';
}

/** Where the arbiter's record is: in a folder on a share, or below a prefix of an S3 bucket. */
export type ArbiterSettings = { readonly file: string } | { readonly s3: string };

/** Lines for CloudWatch, in its embedded metric format. */
export interface MetricsSettings {
  /** `stdout`, or a file */
  readonly to: string;
  readonly namespace: string;
  /** seconds from one line to the next */
  readonly every: number;
}

/** This machine is an EC2 instance: who it is comes from its metadata where it is not said. */
export interface AwsSettings {
  /** that of the instance where absent */
  readonly region?: string;
  /** hooks and notices are followed; false: they are not */
  readonly lifeCycle: LifeCycleSettings | false;
  /** the path below which parameters of SSM announce what is deployed */
  readonly deployments?: string;
  /** the SNS topic, by its ARN, that is told of new heads in the bucket that is the store; looked for by polling alone where absent */
  readonly notify?: { readonly topic: string };
  /** for CloudWatch; none where absent */
  readonly metrics?: MetricsSettings;
  /** what the instance metadata service says; undefined where instance, address and zone are said otherwise */
  readonly own?: InstanceFacts;
}

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

/** Backups that the agent takes by itself. */
export interface BackupSettings {
  /** the folder they go to; it must be there */
  readonly to: string;
  /** hours from one to the next */
  readonly every: number;
  /** how many files of this instance stay */
  readonly keep: number;
}

/** What an instance is told by its flags, its environment and its file; the same names everywhere. */
export interface Settings {
  readonly store: string | undefined;
  /** native paths are taken below this folder */
  readonly root: string;
  /** where releases are kept on this machine */
  readonly state: string;
  readonly instance: string;
  readonly address?: string;
  readonly zone?: string;
  /** what templates, and whoever looks at the fleet, know it by: `{role: front}` */
  readonly tags?: Readonly<Record<string, string>>;
  /** the bundles of this instance; all of the store's where absent */
  readonly bundles?: readonly string[];
  /** folders below which bundles may have their root; the safe default of `disk/policy.ts` where absent */
  readonly roots?: readonly string[];
  /** folders outside a bundle that its symlinks may point to; the safe default where absent */
  readonly links?: readonly string[];
  /** signed releases alone are taken, and those of these keys */
  readonly trust?: { readonly keys: readonly TrustedKey[] };
  /** certificate files for `zk+tls:` stores */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly member?: MemberSettings;
  readonly ensemble?: EnsembleSection;
  readonly backup?: BackupSettings;
  readonly aws?: AwsSettings;
  /** the store that gets every release, as this machine knows it; in an ensemble that is founded its own record counts */
  readonly archive?: ArchiveSettings;
  /** what is told of clocks */
  readonly clock?: { /** seconds off from which on it is a warning */ readonly warn: number };
  /** what reads secrets where this machine is no instance of a cluster: a file of age identities, its first for new values */
  readonly secrets?: { readonly identity?: string };
  /** false: reload and health commands are not run, as while an image is built */
  readonly hooks?: boolean;
  /** run by whoever publishes on this machine, on the files that are to be published; anything but exit code 0 refuses them */
  readonly policy?: Hook;
  /** the file that was read, if any */
  readonly file?: string;
}

/** Flags as a command line gives them: text, or nothing. */
export interface SettingsFlags {
  readonly config?: string;
  readonly store?: string;
  readonly root?: string;
  readonly state?: string;
  readonly instance?: string;
  readonly address?: string;
  readonly zone?: string;
  readonly tags?: string;
  readonly bundles?: string;
}

const MISSING = new Map<string | undefined, string>([
  ['ENOENT', 'is not there'],
  ['EISDIR', 'is a folder'],
  ['EACCES', 'may not be read by this user'],
]);
export const SETTINGS_FILE = '/etc/quorate/quorate.yaml';
export const STATE_FOLDER = '/var/lib/quorate';

const text = v.pipe(v.string(), v.nonEmpty());
const absolute = v.pipe(
  v.string(),
  v.check((path) => path.startsWith('/'), 'an absolute path'),
);
const bucketUrl = v.pipe(
  v.string(),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    try {
      bucketPlace(dataset.value);
    } catch (error) {
      addIssue({ message: (error as Error).message });
    }
  }),
);
const tagName = v.pipe(
  v.string(),
  v.regex(/^(?!(constructor|prototype)$)[A-Za-z][A-Za-z0-9_-]{0,63}$/, "a letter, then letters, digits, '_', '-'"),
);
const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
/** The same for every machine, wherever its agent stands: so a folder by its whole path. */
const archiveUrl = v.pipe(text, v.check(isArchiveUrl, 'a store such as s3://BUCKET/PREFIX or dir:/mnt/share/archive'));
const publicKey = v.pipe(
  v.string(),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    try {
      parsePublicKey(dataset.value);
    } catch (error) {
      addIssue({ message: (error as Error).message });
    }
  }),
);
const TrustedKeySchema = v.union(
  [
    v.pipe(
      publicKey,
      v.transform((key): TrustedKey => ({ key })),
    ),
    v.strictObject({ key: publicKey, name: v.optional(text), bundles: v.optional(v.array(text)) }),
  ],
  'a public key, as `quorate key show` prints it, or a mapping of key, name and bundles',
);
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
const LifeCycleSchema = v.strictObject({
  launching: v.optional(text, 'quorate-launching'),
  terminating: v.optional(text, 'quorate-terminating'),
  onFailure: v.optional(v.picklist(['wait', 'abandon']), 'wait'),
  protect: v.optional(v.picklist(['nobody', 'voters']), 'nobody'),
});
const FileSchema = v.strictObject({
  store: v.optional(text),
  root: v.optional(absolute),
  state: v.optional(absolute),
  instance: v.optional(
    v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/, "letters, digits, '.', '_', ':', '-'")),
  ),
  address: v.optional(text),
  zone: v.optional(text),
  tags: v.optional(v.record(tagName, v.pipe(text, v.maxLength(256)))),
  bundles: v.optional(v.array(text)),
  roots: v.optional(v.array(absolute)),
  links: v.optional(v.array(absolute)),
  trust: v.optional(
    v.strictObject({
      require: v.literal('signed', '`signed`'),
      keys: v.pipe(v.array(TrustedKeySchema), v.minLength(1, 'one key at least')),
    }),
  ),
  tls: v.optional(v.strictObject({ ca: v.optional(absolute), cert: v.optional(absolute), key: v.optional(absolute) })),
  clock: v.optional(v.strictObject({ warn: v.optional(v.pipe(v.number(), v.minValue(0)), CLOCK_WARN_SECONDS) })),
  secrets: v.optional(v.strictObject({ identity: v.optional(absolute) })),
  hooks: v.optional(v.boolean()),
  policy: v.optional(
    v.union(
      [
        v.pipe(
          text,
          v.transform((command): Hook => ({ command })),
        ),
        v.strictObject({ command: text, timeout: v.optional(v.pipe(v.number(), v.minValue(0.1), v.maxValue(3600))) }),
      ],
      'a command, or a mapping of command and timeout',
    ),
  ),
  aws: v.nullish(
    v.strictObject({
      region: v.optional(text),
      deployments: v.optional(
        v.pipe(v.string(), v.regex(/^(\/[\w.-]+)+\/?$/, 'a path of parameters, such as /quorate/CLUSTER/bundles')),
      ),
      lifeCycle: v.optional(
        v.union(
          [v.literal(false), LifeCycleSchema],
          'false, or a mapping of launching, terminating, onFailure, protect',
        ),
        v.getDefaults(LifeCycleSchema) as LifeCycleSettings,
      ),
      notify: v.optional(
        v.strictObject({
          topic: v.pipe(
            v.string(),
            v.check(
              (arn) => noticeTopic(arn) !== undefined,
              "the ARN of a standard SNS topic with a name of at most 40 letters, digits, '-' and '_', such as arn:aws:sns:eu-central-1:111122223333:quorate-web",
            ),
          ),
        }),
      ),
      metrics: v.optional(
        v.strictObject({
          to: v.union([v.literal('stdout'), absolute], '`stdout`, or the absolute path of a file'),
          namespace: v.optional(text, 'Quorate'),
          every: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(3600)), 60),
        }),
      ),
    }),
  ),
  backup: v.optional(
    v.strictObject({
      to: absolute,
      every: v.optional(v.pipe(v.number(), v.minValue(0.1), v.maxValue(8760)), 24),
      keep: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 7),
    }),
  ),
  archive: v.optional(
    v.strictObject({
      to: archiveUrl,
      durability: v.optional(v.picklist(['quorum', 'archive'], '`quorum` or `archive`'), 'quorum'),
    }),
  ),
  ensemble: v.optional(
    v.strictObject({
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
    }),
  ),
  member: v.optional(
    v.strictObject({
      id: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(254)),
      servers: v.record(v.pipe(v.string(), v.regex(/^\d+$/, 'a server id')), text),
      heap: v.optional(v.pipe(v.number(), v.integer(), v.minValue(48)), 96),
      jars: v.optional(absolute),
    }),
  ),
});
const AWS_DEFAULTS = { lifeCycle: v.getDefaults(LifeCycleSchema) as LifeCycleSettings };
type FileSettings = v.InferOutput<typeof FileSchema>;

/**
 * Flags first, then `QUORATE_*` variables, then the file.
 * @throws AgentError BAD_SETTINGS that names each wrong key and where it came from
 */
export async function readSettings(flags: SettingsFlags = {}, env: NodeJS.ProcessEnv = process.env): Promise<Settings> {
  const asked = flags.config || env.QUORATE_CONFIG;
  const path = asked || SETTINGS_FILE;
  const file = await readSettingsFile(path, Boolean(asked));
  // an empty variable says nothing, as in a script that sets it only sometimes
  const given = (name: Exclude<keyof SettingsFlags & keyof FileSettings, 'tags' | 'bundles'>): string | undefined =>
    flags[name] || env[`QUORATE_${name.toUpperCase()}`] || (file?.[name] as string | undefined);
  const root = resolve(given('root') ?? '/');
  const state = resolve(given('state') ?? join(root, STATE_FOLDER));
  const aws = file && 'aws' in file ? await awsSettings(file.aws ?? AWS_DEFAULTS, state, given) : undefined;
  const bundles = flags.bundles || env.QUORATE_BUNDLES || undefined;
  const tags = flags.tags || env.QUORATE_TAGS || undefined;
  const address = given('address') ?? aws?.own?.address;
  const settings: Settings = {
    store: given('store') ?? (file?.ensemble ? ensembleUrl(file.ensemble, address) : undefined),
    root,
    state,
    instance: given('instance') ?? aws?.own?.instance ?? hostname(),
    address,
    zone: given('zone') ?? aws?.own?.zone,
    tags: tags === undefined ? file?.tags : parseTags(tags),
    bundles: bundles === undefined ? file?.bundles : bundles.split(',').filter((name) => name !== ''),
    roots: file?.roots,
    links: file?.links,
    trust: file?.trust && { keys: file.trust.keys },
    tls: file?.tls ?? (file?.ensemble ? trustFiles(state) : undefined),
    ensemble: file?.ensemble && beginning(file.ensemble, file.archive),
    member: file?.member,
    backup: file?.backup,
    aws,
    archive: file?.archive,
    clock: file?.clock,
    secrets: file?.secrets,
    hooks: file?.hooks,
    policy: file?.policy,
    file: file ? path : undefined,
  };
  const checked = v.safeParse(FileSchema.entries.instance, settings.instance);
  if (!checked.success) {
    throw new AgentError(
      'BAD_SETTINGS',
      `the instance id ${JSON.stringify(settings.instance)} may only have ${checked.issues[0].message}`,
    );
  }
  return settings;
}

/** `role=front,tier=1` */
function parseTags(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(',').filter((pair) => pair !== '');
  const tags = Object.fromEntries(pairs.map((pair) => [pair.split('=', 1)[0]!, pair.slice(pair.indexOf('=') + 1)]));
  const wrong = pairs.find((pair) => !pair.includes('='));
  const checked = v.safeParse(FileSchema.entries.tags, tags);
  if (wrong === undefined && checked.success) return tags;
  const why = wrong === undefined ? describeFaults(checked.issues!) : `${JSON.stringify(wrong)} has no =`;
  throw new AgentError('BAD_SETTINGS', `the tags ${JSON.stringify(text)} are not like role=front,tier=1: ${why}`);
}

/** Asks the instance metadata service for what is not said, and for nothing where all is. */
async function awsSettings(
  section: NonNullable<FileSettings['aws']>,
  state: string,
  given: (name: 'instance' | 'address' | 'zone') => string | undefined,
): Promise<AwsSettings> {
  if (given('instance') && given('address') && given('zone')) return section;
  const { instanceFacts } = await import('./aws/facts.ts');
  return { ...section, own: await instanceFacts(state) };
}

/** Whether a URL names a store that every machine of a cluster can mean by it. */
export function isArchiveUrl(url: string): boolean {
  return /^(dir:\/|s3:\/\/[^/]|zk(\+tls)?:\/\/[^/])/.test(url);
}

/** What a cluster begins with has its archive in it. */
function beginning(ensemble: EnsembleSection, archive: ArchiveSettings | undefined): EnsembleSection {
  return archive ? { ...ensemble, founding: { ...ensemble.founding, archive } } : ensemble;
}

/** The store in the fleet's own ensemble: this machine and those that are named; who else serves is found out on the way. */
function ensembleUrl({ discovery, ports }: EnsembleSection, own: string | undefined): string {
  const named = 'addresses' in discovery ? discovery.addresses : [];
  return clusterUrl([...(own ? [own] : []), ...named], ports);
}

/** The store of a cluster with these instances. */
export function clusterUrl(addresses: readonly string[], ports: Pick<MemberPorts, 'client'>): string {
  const servers = [...new Set(addresses)].map((address) => withPort(address, ports.client));
  return `zk+tls://${servers.join(',')}/quorate`;
}

/** `10.0.0.1:2281`, `[fd00::1]:2281` */
export function withPort(address: string, port: number): string {
  return `${address.includes(':') && !address.startsWith('[') ? `[${address}]` : address}:${port}`;
}

/** The files that let this machine into its cluster. */
function trustFiles(state: string): NonNullable<Settings['tls']> {
  const { ca, member } = trustPaths(join(state, 'trust'));
  // key and certificate in one file are those of one moment, also while they are replaced
  return { ca, cert: member, key: member };
}

async function readSettingsFile(path: string, mustExist: boolean): Promise<FileSettings | undefined> {
  let source: string;
  try {
    source = await readFile(path, 'utf8');
  } catch (cause) {
    // without a file there are flags and variables: only a file that was asked for must be there
    if (!mustExist && (cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const why = MISSING.get((cause as NodeJS.ErrnoException).code) ?? `cannot be read: ${(cause as Error).message}`;
    throw new AgentError('BAD_SETTINGS', `the settings file ${path} ${why}`, { cause });
  }
  return parseSettings(source, path);
}

/** @throws AgentError BAD_SETTINGS that names each wrong key */
export async function parseSettings(source: string, path: string): Promise<FileSettings> {
  const { parse } = await import('yaml');
  let value: unknown;
  try {
    value = parse(source, { logLevel: 'error' }) ?? {};
  } catch (cause) {
    // the first line tells what and where, the others draw it
    const fault = (cause as Error).message.split('\n')[0]!.replace(/:$/, '');
    throw new AgentError('BAD_SETTINGS', `the settings file ${path} is not YAML: ${fault}`, { cause });
  }
  if (typeof value !== 'object' || Array.isArray(value))
    throw new AgentError('BAD_SETTINGS', `the settings file ${path} is no mapping: write lines like \`store: URL\``);
  const result = v.safeParse(FileSchema, value);
  if (result.success && result.output.archive && !result.output.ensemble)
    throw new AgentError(
      'BAD_SETTINGS',
      `the settings file ${path}: archive: it belongs to an ensemble that looks after itself (\`ensemble:\`); for any other store take backups (\`backup:\`)`,
    );
  if (result.success) return result.output;
  throw new AgentError('BAD_SETTINGS', `the settings file ${path}: ${describeFaults(result.issues)}`);
}
