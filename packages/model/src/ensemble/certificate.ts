/** What a certificate lets its holder be: a machine of the fleet, somebody who publishes, somebody who only reads. */
export const CERTIFICATE_KINDS = ['instance', 'publisher', 'reader'] as const;
export type CertificateKind = (typeof CERTIFICATE_KINDS)[number];

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
  const [organisation, commonName, ...more] = subject.split('\n');
  const kind = CERTIFICATE_KINDS.find((each) => commonName === `CN=${each}`);
  const cluster = /^O=([A-Za-z0-9-]{1,64})$/.exec(organisation ?? '')?.[1];
  return kind && cluster && more.length === 0 ? { kind, cluster } : undefined;
}
