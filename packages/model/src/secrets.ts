import * as v from 'valibot';
import { decodeRecord, positive } from './codec.ts';
import { ModelError } from './errors.ts';

export const SECRETS_FORMAT = 1;
/** Bytes of one value at most: keys and passwords, no archives. */
export const SECRET_BYTES = 64 * 1024;

/** Who can read a bundle's secrets, and which of them are kept elsewhere. */
export const SECRETS_FILE = '.quorate/secrets.json';
const FOLDER = '.quorate/secrets';
const ENDING = '.age';
const NAME = /^(?!(constructor|prototype)$)[A-Za-z][A-Za-z0-9_]{0,63}$/;

/** Where the value of a secret comes from that is not in the release: asked for on each instance. */
export type OutsideSecret =
  /** the whole file */
  | { readonly file: string }
  /** what a command of `/bin/sh -c` prints */
  | { readonly command: string }
  /** of AWS Secrets Manager: a name or an ARN */
  | { readonly secretsManager: string };

export interface SecretsRecord {
  readonly format: number;
  /** which of the fleet's own identities reads them; absent where a file of the settings does */
  readonly generation?: number;
  /** `age1…`, or `kms:` and the ARN of a key: whom values are encrypted to */
  readonly recipients: readonly string[];
  readonly outside?: Readonly<Record<string, OutsideSecret>>;
}

const RECIPIENT = /^(age1[a-z0-9]{50,}|kms:arn:\S+)$/;

/** Whether a word can name whom values are encrypted to. */
export const isRecipient = (word: string): boolean => RECIPIENT.test(word);

const text = v.pipe(v.string(), v.nonEmpty());
const RecordSchema = v.object({
  format: positive,
  generation: v.optional(positive),
  recipients: v.array(v.pipe(v.string(), v.regex(RECIPIENT, 'age1… or kms:ARN'))),
  outside: v.optional(
    v.record(
      v.pipe(v.string(), v.regex(NAME)),
      v.union([
        v.strictObject({ file: text }),
        v.strictObject({ command: text }),
        v.strictObject({ secretsManager: text }),
      ]),
    ),
  ),
});

/** @throws ModelError BAD_RECORD or NEWER_FORMAT */
export function decodeSecrets(bytes: Uint8Array): SecretsRecord {
  return decodeRecord(SECRETS_FILE, SECRETS_FORMAT, RecordSchema, bytes);
}

/** On several lines: two who add secrets at once are merged line by line. */
export function encodeSecrets({ generation, recipients, outside }: SecretsRecord): Buffer {
  const names = Object.keys(outside ?? {}).sort();
  const record = {
    format: SECRETS_FORMAT,
    ...(generation === undefined ? {} : { generation }),
    recipients,
    ...(names.length > 0 ? { outside: Object.fromEntries(names.map((name) => [name, outside![name]])) } : {}),
  };
  return Buffer.from(`${JSON.stringify(record, null, 2)}\n`);
}

/** Where a release has the encrypted value of a secret. @throws ModelError BAD_PATH for what templates could not name */
export function secretPath(name: string): string {
  if (!NAME.test(name))
    throw new ModelError(
      'BAD_PATH',
      `${JSON.stringify(name)} is no name of a secret: a letter, then letters, digits and _, as templates write secret.db_password`,
    );
  return `${FOLDER}/${name}${ENDING}`;
}

/** The secret whose encrypted value a path of a bundle has. */
export function secretAt(path: string): string | undefined {
  if (!path.startsWith(`${FOLDER}/`) || !path.endsWith(ENDING)) return undefined;
  const name = path.slice(FOLDER.length + 1, -ENDING.length);
  return NAME.test(name) ? name : undefined;
}
