import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { type ArchiveSettings, describeFaults } from '@quorate/model';
import * as v from 'valibot';
import { AgentError } from '../errors.ts';
import { trustPaths } from '../trust/folder.ts';
import { AWS_DEFAULTS, type AwsSettings } from './aws.ts';
import type { EnsembleSection } from './ensemble.ts';
import { FileSchema, type FileSettings, readSettingsFile } from './file.ts';
import type { Settings } from './settings.ts';
import { ensembleUrl } from './urls.ts';

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

export const SETTINGS_FILE = '/etc/quorate/quorate.yaml';
export const STATE_FOLDER = '/var/lib/quorate';

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
  const { instanceFacts } = await import('../aws/facts.ts');
  return { ...section, own: await instanceFacts(state) };
}

/** What a cluster begins with has its archive in it. */
function beginning(ensemble: EnsembleSection, archive: ArchiveSettings | undefined): EnsembleSection {
  return archive ? { ...ensemble, founding: { ...ensemble.founding, archive } } : ensemble;
}

/** The files that let this machine into its cluster. */
function trustFiles(state: string): NonNullable<Settings['tls']> {
  const { ca, member } = trustPaths(join(state, 'trust'));
  // key and certificate in one file are those of one moment, also while they are replaced
  return { ca, cert: member, key: member };
}
