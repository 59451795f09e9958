import { isBundleName } from '../path.ts';

/**
 * What a certificate lets its holder be: a machine of the fleet, somebody who may change all of the cluster, who publishes, who publishes one bundle
 * (`publisher:web`), or who only reads.
 */
export type CertificateKind = 'instance' | 'operator' | 'publisher' | `publisher:${string}` | 'reader';

const WHOLE = ['instance', 'operator', 'publisher', 'reader'] as const satisfies CertificateKind[];

export function isCertificateKind(text: string): text is CertificateKind {
  const bundle = /^publisher:(.*)$/s.exec(text)?.[1];
  return bundle === undefined ? WHOLE.some((kind) => kind === text) : isBundleName(bundle);
}

/** The parts of a subject that a cluster's authority writes. */
export interface CertificateSubject {
  readonly kind: CertificateKind;
  /** the cluster's id */
  readonly cluster: string;
}

/** How ZooKeeper writes a kind's certificate as an id of the scheme `x509`, and of its super user (RFC 2253). */
export function distinguishedName(kind: CertificateKind, cluster: string): string {
  return `CN=${kind},O=${cluster}`;
}

/**
 * What a subject says, as Node's `X509Certificate.subject` writes it: a line for each part.
 * @returns undefined for a certificate that no cluster's authority makes
 */
export function parseSubject(subject: string): CertificateSubject | undefined {
  const [organisation, commonName = '', ...more] = subject.split('\n');
  const kind = commonName.startsWith('CN=') ? commonName.slice('CN='.length) : '';
  const cluster = /^O=([A-Za-z0-9-]{1,64})$/.exec(organisation ?? '')?.[1];
  return isCertificateKind(kind) && cluster && more.length === 0 ? { kind, cluster } : undefined;
}
