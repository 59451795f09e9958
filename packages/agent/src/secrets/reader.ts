import type { SecretsRecord } from '@quorate/model';
import { AgentError } from '../errors.ts';
import type { Settings } from '../settings/index.ts';
import { decryptValue } from './age.ts';
import { SecretKeys } from './keys.ts';
import { KMS, kmsIdentity } from './kms.ts';
import { OutsideValues } from './outside.ts';

/**
 * Gives the value of a secret on this machine.
 * @param file its encrypted value, where the release has it
 * @throws AgentError NO_SECRET; the value is in no message
 */
export type SecretReader = (record: SecretsRecord, name: string, file: Uint8Array | undefined) => Promise<string>;

export function secretReader(settings: Settings): SecretReader {
  const keys = new SecretKeys(settings);
  const outside = new OutsideValues(settings);
  return async (record, name, file) => {
    try {
      const from = record.outside?.[name];
      if (from) return await outside.read(from);
      if (!file) throw new Error('it has no value');
      return await decrypted(file, record, keys, settings);
    } catch (cause) {
      throw new AgentError('NO_SECRET', `the secret ${name} cannot be read here: ${why(cause as Error)}`, { cause });
    }
  };
}

/** By this machine's own identities, else by whoever has the key in KMS. */
async function decrypted(
  file: Uint8Array,
  { generation, recipients }: SecretsRecord,
  keys: SecretKeys,
  settings: Settings,
): Promise<string> {
  const own = await keys.identities(generation);
  const inKms = recipients.some((recipient) => recipient.startsWith(KMS));
  if (own.length === 0 && !inKms)
    throw new Error(
      'this machine has no identity: it is no instance of a cluster, and its settings have no `secrets: {identity: PATH}`',
    );
  try {
    if (own.length > 0) return await decryptValue(file, own);
  } catch (error) {
    if (!inKms) throw error;
  }
  return decryptValue(file, [kmsIdentity(settings)]);
}

const why = ({ message }: Error): string =>
  message.includes('no identity matched') ? 'it is encrypted to others than this machine' : message;
