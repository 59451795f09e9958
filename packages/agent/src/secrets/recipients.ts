import type { Recipient } from 'age-encryption';
import type { Settings } from '../settings/index.ts';
import { KMS, kmsRecipient } from './kms.ts';

/** Whom values are encrypted to, as the library takes them. @param written `age1…`, or `kms:` and an ARN */
export function recipientsOf(
  written: readonly string[],
  settings: Pick<Settings, 'aws'>,
): Promise<(string | Recipient)[]> {
  return Promise.all(
    written.map(async (one) => (one.startsWith(KMS) ? kmsRecipient(one.slice(KMS.length), settings) : one)),
  );
}
