import { X509Certificate } from 'node:crypto';
import { type CertificateKind, distinguishedName, parseSubject } from '@quorate/model';
import { type Acl, CREATOR_ALL, permissions, type ZooKeeper } from '@quorate/zookeeper';

/** Who may do what with the nodes that a store makes. */
export interface Acls {
  /** what is published */
  readonly published: readonly Acl[];
  /** candidates and votes, which whoever offers clears away */
  readonly offered: readonly Acl[];
  /** what instances alone write */
  readonly fleet: readonly Acl[];
}

/** As `create` and `ensure` take it. */
export type AclOption = { readonly acl: readonly Acl[] } | Record<string, never>;

const { read, write, create, all, delete: remove } = permissions;

/**
 * By whose certificate a client comes. The cluster's own ensemble is closed: instances do everything, publishers add releases and move heads
 * but take nothing away, readers read. A certificate of anybody else says nothing of who else should get in.
 * @param certificate PEM
 */
export function aclsOfCertificate(certificate: Uint8Array | string): Acls | undefined {
  const subject = parseSubject(new X509Certificate(certificate).subject);
  return subject && aclsOf(subject.cluster);
}

function aclsOf(cluster: string): Acls {
  const may = (kind: CertificateKind, what: number): Acl => ({
    permissions: what,
    scheme: 'x509',
    id: distinguishedName(kind, cluster),
  });
  return {
    published: [may('instance', all), may('publisher', read | write | create), may('reader', read)],
    offered: [may('instance', all), may('publisher', read | write | create | remove), may('reader', read)],
    fleet: [may('instance', all), may('publisher', read), may('reader', read)],
  };
}

/** For a user with a password: what it makes is its own. */
export const OWN: Acls = { published: CREATOR_ALL, offered: CREATOR_ALL, fleet: CREATOR_ALL };

/** Nodes that every ensemble has, open as ZooKeeper makes them; the configuration is for those who may follow it. */
const CONFIG = '/zookeeper/config';
const OTHERS = ['/', '/zookeeper', '/zookeeper/quota'];

/**
 * Closes what ZooKeeper leaves open, the super user's right. Repeatable.
 * @param zk a session without a chroot
 */
export async function closeRoot(zk: ZooKeeper, { fleet }: Acls): Promise<void> {
  const instances = fleet.filter(({ permissions }) => permissions === all);
  await zk.setAcl(CONFIG, fleet);
  for (const path of OTHERS) await zk.setAcl(path, instances);
}
