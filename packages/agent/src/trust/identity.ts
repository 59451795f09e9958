import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type CertificateKind, parseSubject } from '@quorate/model';

/** Whose certificate it is. */
export interface Identity {
  readonly kind: CertificateKind;
  readonly cluster: string;
  /** the instance's id; a publisher's or reader's name */
  readonly name: string;
  /** addresses and host names in it, as `plainAddress` writes them */
  readonly addresses: readonly string[];
}

/** Who a certificate says its holder is; undefined where it is none that a cluster's authority makes. Does not check who signed it. */
export function identityOf(certificate: X509Certificate): Identity | undefined {
  const subject = parseSubject(certificate.subject ?? '');
  if (!subject) return undefined;
  const { kind, cluster } = subject;
  const names = (certificate.subjectAltName ?? '').split(', ');
  const after = (prefix: string): string[] =>
    names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  const [name] = after(`URI:quorate:${kind}/`);
  if (name === undefined) return undefined;
  return { kind, cluster, name, addresses: [...after('IP Address:'), ...after('DNS:')].map(plainAddress) };
}

/** One way to write an address, to compare by: lower case, IPv6 shortened. */
export function plainAddress(address: string): string {
  if (isIP(address) === 6) return new URL(`http://[${address}]`).hostname.slice(1, -1);
  return address.toLowerCase();
}
