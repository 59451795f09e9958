import {
  type BlobRef,
  decodeSecrets,
  type FileEntry,
  type Manifest,
  SECRETS_FILE,
  type SecretsRecord,
  secretAt,
  TemplateError,
} from '@quorate/model';
import { AgentError } from '../errors.ts';
import type { SecretReader } from '../secrets/index.ts';

/** The secrets of a release, encrypted. */
export interface ReleaseSecrets {
  readonly record: SecretsRecord | undefined;
  readonly files: ReadonlyMap<string, FileEntry>;
}

type Read = (ref: BlobRef) => Promise<Buffer>;

/** @throws ModelError BAD_RECORD */
export async function secretsOf(source: Manifest, read: Read): Promise<ReleaseSecrets> {
  const files = new Map<string, FileEntry>();
  let record: SecretsRecord | undefined;
  for (const entry of source) {
    if (entry.kind !== 'file') continue;
    const name = secretAt(entry.path);
    if (name !== undefined) files.set(name, entry);
    if (entry.path === SECRETS_FILE) record = decodeSecrets(await read(entry));
  }
  return { record, files };
}

/** Names that a release has a value for, here or elsewhere. */
export function secretNames({ record, files }: ReleaseSecrets): string[] {
  return [...new Set([...files.keys(), ...Object.keys(record?.outside ?? {})])].sort();
}

/**
 * Clear values by name.
 * @param wanted those that templates read; what has no value is left to the template's own error
 * @throws TemplateError at the file of the secret
 */
export async function clearValues(
  { record, files }: ReleaseSecrets,
  wanted: Iterable<string>,
  read: Read,
  reader: SecretReader,
): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const name of wanted) {
    const file = files.get(name);
    if (!record || (!file && !record.outside?.[name])) continue;
    try {
      values[name] = await reader(record, name, file && (await read(file)));
    } catch (error) {
      if (!(error instanceof AgentError) || error.code !== 'NO_SECRET') throw error;
      throw new TemplateError({ file: file?.path ?? SECRETS_FILE, line: 1, column: 1 }, error.message, {
        cause: error,
      });
    }
  }
  return values;
}
