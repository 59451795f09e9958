import type { webcrypto } from 'node:crypto';
import type { Identity, Recipient } from 'age-encryption';

/** What reads a value: `AGE-SECRET-KEY-1…`, an X25519 key, or what asks somebody else. */
export type AnyIdentity = string | webcrypto.CryptoKey | Identity;

/** A value as an age file in ASCII armour, which age itself can read. */
export async function encryptValue(value: string, recipients: readonly (string | Recipient)[]): Promise<Buffer> {
  const { armor, Encrypter } = await import('age-encryption'); // few machines have secrets
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  return Buffer.from(armor.encode(await encrypter.encrypt(value)));
}

/** @throws Error when none of the identities is a recipient, or the file was changed */
export async function decryptValue(file: Uint8Array, identities: readonly AnyIdentity[]): Promise<string> {
  const { armor, Decrypter } = await import('age-encryption');
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  return decrypter.decrypt(armor.decode(Buffer.from(file).toString('latin1')), 'text');
}

/** `age1…` of an identity. */
export async function recipientOf(identity: string | webcrypto.CryptoKey): Promise<string> {
  const { identityToRecipient } = await import('age-encryption');
  return identityToRecipient(identity);
}

/** A new identity with its recipient, for those who are no instances of a cluster. */
export async function makeIdentity(): Promise<{ readonly identity: string; readonly recipient: string }> {
  const { generateX25519Identity } = await import('age-encryption');
  const identity = await generateX25519Identity();
  return { identity, recipient: await recipientOf(identity) };
}
