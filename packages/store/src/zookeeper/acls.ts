import { X509Certificate } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type CertificateKind, distinguishedName, parseSubject } from '@quorate/model';
import { type Acl, CREATOR_ALL, permissions, type ZooKeeper } from '@quorate/zookeeper';

/** Who may do what with the nodes that a store makes. */
export interface Acls {
  /** what is published: of a bundle, or what all bundles share */
  published(bundle?: string): readonly Acl[];
  /** candidates and votes, which whoever offers clears away: on a bundle, or what all share */
  offered(bundle?: string): readonly Acl[];
  /** what instances and operators alone write */
  readonly fleet: readonly Acl[];
}

/** As `create` and `ensure` take it. */
export type AclOption = { readonly acl: readonly Acl[] } | Record<string, never>;

const { read, write, create, all, delete: remove } = permissions;

/**
 * By whose certificate a client comes. The cluster's own ensemble is closed: instances do everything, operators all but changing rights, publishers add
 * releases and move heads but take nothing away, those of one bundle there alone. Who has any certificate of the cluster reads: `world:anyone` is nobody
 * else, since servers grant no session without one, and answer nothing on the loopback's port. (ZooKeeper compares whole names alone, and nobody
 * knows beforehand which bundles will have publishers of their own.) A certificate of anybody else says nothing of who else should get in.
 * @param certificate PEM
 */
export function aclsOfCertificate(certificate: Uint8Array | string): Acls | undefined {
  const subject = parseSubject(new X509Certificate(certificate).subject);
  return subject && aclsOf(subject.cluster, subject.kind);
}

/** @param maker who makes the nodes: content of one bundle's publisher is completed by itself */
function aclsOf(cluster: string, maker: CertificateKind): Acls {
  const may = (kind: CertificateKind, what: number): Acl => ({
    permissions: what,
    scheme: 'x509',
    id: distinguishedName(kind, cluster),
  });
  const own = maker.startsWith('publisher:') ? maker : undefined;
  const publishers = (what: number, bundle: string | undefined): Acl[] => {
    const one = bundle === undefined ? own : (`publisher:${bundle}` as const);
    return [may('publisher', what), ...(one ? [may(one, what)] : [])];
  };
  const leading = [may('instance', all), may('operator', read | write | create | remove)];
  const readers: Acl = { permissions: read, scheme: 'world', id: 'anyone' };
  return {
    published: (bundle) => [...leading, ...publishers(read | write | create, bundle), readers],
    offered: (bundle) => [...leading, ...publishers(read | write | create | remove, bundle), readers],
    fleet: [...leading, readers],
  };
}

/** For a user with a password: what it makes is its own. */
export const OWN: Acls = { published: () => CREATOR_ALL, offered: () => CREATOR_ALL, fleet: CREATOR_ALL };

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

/** Adds a right to those that a node has; what it has stays. The super user's right. Repeatable. */
async function grant(zk: ZooKeeper, path: string, right: Acl): Promise<void> {
  const { acl } = await zk.getAcl(path);
  const others = acl.filter(({ scheme, id }) => scheme !== right.scheme || id !== right.id);
  if (others.length < acl.length && acl.some((each) => isDeepStrictEqual(each, right))) return;
  await zk.setAcl(path, [...others, right]);
}

/**
 * Lets publishers of one bundle use what all bundles share: they add content, and show a candidate. What is the bundle's own names them already.
 * @param shared the nodes, which must be there, each with what they may do below it
 */
export async function grantShared(
  zk: ZooKeeper,
  { cluster, bundle }: { readonly cluster: string; readonly bundle: string },
  shared: { readonly contents: readonly string[]; readonly offers: readonly string[] },
): Promise<void> {
  const right = (what: number): Acl => ({
    permissions: what,
    scheme: 'x509',
    id: distinguishedName(`publisher:${bundle}`, cluster),
  });
  await Promise.all([
    ...shared.contents.map((path) => grant(zk, path, right(create))),
    ...shared.offers.map((path) => grant(zk, path, right(write | create | remove))),
  ]);
}
