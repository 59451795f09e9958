import { readFile } from 'node:fs/promises';
import { CLOCK_WARN_SECONDS, describeFaults, type Hook, parsePublicKey, type TrustedKey } from '@quorate/model';
import * as v from 'valibot';
import { AgentError } from '../errors.ts';
import { AwsSchema } from './aws.ts';
import { EnsembleSchema, MemberSchema } from './ensemble.ts';
import { isArchiveUrl } from './urls.ts';
import { absolute, readBy, text } from './values.ts';

const MISSING = new Map<string | undefined, string>([
  ['ENOENT', 'is not there'],
  ['EISDIR', 'is a folder'],
  ['EACCES', 'may not be read by this user'],
]);
const tagName = v.pipe(
  v.string(),
  v.regex(/^(?!(constructor|prototype)$)[A-Za-z][A-Za-z0-9_-]{0,63}$/, "a letter, then letters, digits, '_', '-'"),
);
/** The same for every machine, wherever its agent stands: so a folder by its whole path. */
const archiveUrl = v.pipe(text, v.check(isArchiveUrl, 'a store such as s3://BUCKET/PREFIX or dir:/mnt/share/archive'));
const publicKey = readBy(parsePublicKey);
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
/** The file, with its defaults. */
export const FileSchema = v.strictObject({
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
  aws: v.nullish(AwsSchema),
  ensemble: v.optional(EnsembleSchema),
  member: v.optional(MemberSchema),
});
export type FileSettings = v.InferOutput<typeof FileSchema>;

/**
 * The settings in a file; undefined where there is none and none must be.
 * @throws AgentError BAD_SETTINGS
 */
export async function readSettingsFile(path: string, mustExist: boolean): Promise<FileSettings | undefined> {
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
