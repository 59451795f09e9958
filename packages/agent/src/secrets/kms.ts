import type { Identity, Recipient } from 'age-encryption';
import type { Settings } from '../settings/index.ts';

/** The kind of stanza in an age file that has a file key encrypted by a key of AWS KMS: its argument is the ARN, its body what KMS made. */
const STANZA = 'quorate.dev/kms';
export const KMS = 'kms:';

async function clientFor(arn: string, settings: Pick<Settings, 'aws'>) {
  const { KMSClient } = await import('@aws-sdk/client-kms'); // few machines have secrets in KMS
  const { clientOf, regionFor, regionOf } = await import('../aws/index.ts');
  return clientOf(KMSClient, await regionFor(arn, () => regionOf(settings)));
}

/** @param arn of a symmetric key */
export async function kmsRecipient(arn: string, settings: Pick<Settings, 'aws'>): Promise<Recipient> {
  const { EncryptCommand } = await import('@aws-sdk/client-kms');
  const { Stanza } = await import('age-encryption');
  return {
    wrapFileKey: async (fileKey) => {
      const client = await clientFor(arn, settings);
      const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId: arn, Plaintext: fileKey }));
      return [new Stanza([STANZA, arn], CiphertextBlob!)];
    },
  };
}

/** Reads what any key of KMS was a recipient of, as the role of this machine may. */
export function kmsIdentity(settings: Pick<Settings, 'aws'>): Identity {
  return {
    unwrapFileKey: async (stanzas) => {
      const { DecryptCommand } = await import('@aws-sdk/client-kms');
      for (const { args, body } of stanzas) {
        const [kind, arn] = args;
        if (kind !== STANZA || arn === undefined) continue;
        const client = await clientFor(arn, settings);
        const { Plaintext } = await client.send(new DecryptCommand({ KeyId: arn, CiphertextBlob: body }));
        if (Plaintext) return Plaintext;
      }
      return null;
    },
  };
}
