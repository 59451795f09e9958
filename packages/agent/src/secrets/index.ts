export { decryptValue, encryptValue, makeIdentity } from './age.ts';
export { type OwnRecipient, SecretKeys } from './keys.ts';
export { type SecretReader, secretReader } from './reader.ts';
export { recipientsOf } from './recipients.ts';
