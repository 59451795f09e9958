import { createHash } from 'node:crypto';

/** Who may do what with a node. */
export interface Acl {
  /** A sum of `permissions`. */
  readonly permissions: number;
  /** `world`, `auth`, `digest`, `ip`, `x509`, `sasl`, or one that the servers were extended with. */
  readonly scheme: string;
  readonly id: string;
}

export const permissions = { read: 1, write: 2, create: 4, delete: 8, admin: 16, all: 31 } as const;

/** Anyone may do anything: the default of `create`. */
export const OPEN: readonly Acl[] = [{ permissions: permissions.all, scheme: 'world', id: 'anyone' }];
/** Whoever created the node may do anything, others nothing. The session must be authenticated. */
export const CREATOR_ALL: readonly Acl[] = [{ permissions: permissions.all, scheme: 'auth', id: '' }];
/** Anyone may read, nobody may write. */
export const READ_ONLY: readonly Acl[] = [{ permissions: permissions.read, scheme: 'world', id: 'anyone' }];

/** The id of the `digest` scheme for a user and password: `user:BASE64(SHA-1(user:password))`. */
export function digestId(user: string, password: string): string {
  return `${user}:${createHash('sha1').update(`${user}:${password}`).digest('base64')}`;
}
