import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  type webcrypto,
  X509Certificate,
} from 'node:crypto';
import { isIP } from 'node:net';
import type * as x509 from '@peculiar/x509';
import { type CertificateKind, freshSpan } from '@quorate/model';
import { AgentError } from '../errors.ts';

/** Days that the authority serves; `quorate rotate --authority` makes another. */
const AUTHORITY_DAYS = 20 * 365;
const KEY = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** The library is loaded where a certificate is made, and nowhere else: 60 ms and 20 MB that an agent at rest does not pay. */
async function library(): Promise<typeof x509> {
  await import('reflect-metadata'); // the library's own container asks for it
  return import('@peculiar/x509');
}

/** A new private key in PEM (PKCS #8), P-256. */
export function makeKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: KEY.namedCurve });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** What a certificate is asked for with: proof of the private key, which stays where it was made. PKCS #10 in PEM. */
export async function makeRequest(key: string): Promise<string> {
  const { Pkcs10CertificateRequestGenerator } = await library();
  const keys = pair(createPrivateKey(key), true);
  const request = await Pkcs10CertificateRequestGenerator.create({ name: '', keys, signingAlgorithm: SIGNATURE });
  return `${request.toString('pem')}\n`;
}

export interface CertificateOrder {
  readonly kind: CertificateKind;
  /** the instance's id; a publisher's or reader's name */
  readonly name: string;
  /** addresses and host names that others reach it by; instances only */
  readonly addresses?: readonly string[];
  /** PKCS #10 in PEM, or the private key's PEM where it is at hand */
  readonly request: { readonly csr: string } | { readonly key: string };
  /** how long it serves, in ms since 1970: `freshSpan` unless said */
  readonly span?: { readonly from: number; readonly to: number };
}

/** Who signs the certificates of one cluster. */
export class Authority {
  /** PEM */
  readonly certificate: string;
  /** PEM, PKCS #8 */
  readonly key: string;
  /** the cluster's id */
  readonly cluster: string;
  readonly #parsed: X509Certificate;

  /** Certificate and key of one authority, both PEM. */
  constructor(certificate: string, key: string) {
    this.#parsed = new X509Certificate(certificate);
    this.certificate = certificate;
    this.key = key;
    this.cluster = /^O=(.+)$/m.exec(this.#parsed.subject)?.[1] ?? '';
  }

  /** SHA-256 of the certificate: what a join token carries. Base64url. */
  get fingerprint(): string {
    return fingerprintOf(this.#parsed.raw);
  }

  /**
   * Signs a certificate. Subject and names are this side's; of a request only its key is taken, when it is signed by that key.
   * @param now the clock; another one in tests
   * @returns PEM
   * @throws AgentError BAD_REQUEST
   */
  async issue(order: CertificateOrder, now = new Date()): Promise<string> {
    const lib = await library();
    const publicKey = await orderedKey(lib, order);
    const authority = new lib.X509Certificate(this.certificate);
    const { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension, ExtendedKeyUsageExtension } = lib;
    const { clientAuth, serverAuth } = lib.ExtendedKeyUsage;
    const { from, to } = order.span ?? freshSpan(now.getTime());
    const certificate = await lib.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: subject(order.kind, this.cluster),
      issuer: authority.subject,
      notBefore: new Date(from),
      notAfter: new Date(Math.min(to, this.#parsed.validToDate.getTime())),
      signingKey: pair(createPrivateKey(this.key)).privateKey,
      signingAlgorithm: SIGNATURE,
      publicKey,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension(order.kind === 'instance' ? [serverAuth, clientAuth] : [clientAuth]),
        new lib.SubjectAlternativeNameExtension(alternativeNames(order)),
        await lib.SubjectKeyIdentifierExtension.create(publicKey),
        await lib.AuthorityKeyIdentifierExtension.create(authority.publicKey),
      ],
    });
    return `${certificate.toString('pem')}\n`;
  }
}

/** A new authority for a cluster. @param now the clock; another one in tests */
export async function makeAuthority(cluster: string, now = new Date()): Promise<Authority> {
  if (!/^[A-Za-z0-9-]{1,64}$/.test(cluster))
    throw new AgentError('BAD_REQUEST', `the cluster id ${JSON.stringify(cluster)} may only have letters, digits, '-'`);
  const lib = await library();
  const key = makeKey();
  const keys = pair(createPrivateKey(key), true);
  const { KeyUsageFlags } = lib;
  const { from, to } = freshSpan(now.getTime(), AUTHORITY_DAYS);
  const certificate = await lib.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    // a name of its own: while one authority follows another, nobody takes one for the other
    name: subject(`authority-${randomBytes(4).toString('hex')}`, cluster),
    notBefore: new Date(from),
    notAfter: new Date(to),
    signingAlgorithm: SIGNATURE,
    keys,
    extensions: [
      new lib.BasicConstraintsExtension(true, 0, true),
      new lib.KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await lib.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return new Authority(`${certificate.toString('pem')}\n`, key);
}

/** SHA-256 of a certificate's DER, base64url. @param certificate PEM or DER */
export function fingerprintOf(certificate: string | Uint8Array): string {
  return createHash('sha256').update(new X509Certificate(certificate).raw).digest('base64url');
}

/** Organisation first: read from the end, as RFC 2253 writes it and ZooKeeper compares it, that is `CN=kind,O=cluster`. */
function subject(commonName: string, cluster: string): x509.JsonName {
  return [{ O: [cluster] }, { CN: [commonName] }];
}

/** 127 random bits, positive: RFC 5280 asks for at most 20 bytes, and for unpredictable ones. */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0]! &= 0x7f;
  return bytes.toString('hex');
}

function alternativeNames({ kind, name, addresses = [] }: CertificateOrder): x509.JsonGeneralNames {
  // who has an address in its certificate may speak on the ports between the members: only instances may
  const reached = kind === 'instance' ? addresses : [];
  return [
    ...reached.map((address) => ({ type: isIP(address) ? ('ip' as const) : ('dns' as const), value: address })),
    { type: 'url' as const, value: `quorate:${kind}/${name}` },
  ];
}

function pair(key: KeyObject, extractable = false): CryptoKeyPair {
  return {
    privateKey: key.toCryptoKey(KEY, extractable, ['sign']),
    publicKey: createPublicKey(key).toCryptoKey(KEY, true, ['verify']),
  };
}
type CryptoKeyPair = { privateKey: webcrypto.CryptoKey; publicKey: webcrypto.CryptoKey };

async function orderedKey(lib: typeof x509, { request }: CertificateOrder): Promise<webcrypto.CryptoKey> {
  if ('key' in request) return pair(createPrivateKey(request.key)).publicKey;
  return (await requestedKey(lib, request.csr)).toCryptoKey(KEY, true, ['verify']);
}

/** SHA-256 of the public key that a certificate is asked for with, base64url: who asks again with the same key is the same. @throws AgentError BAD_REQUEST */
export async function keyOfRequest(csr: string): Promise<string> {
  const key = await requestedKey(await library(), csr);
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
}

async function requestedKey(lib: typeof x509, csr: string): Promise<KeyObject> {
  try {
    const request = new lib.Pkcs10CertificateRequest(csr);
    if (!(await request.verify())) throw new Error('it is not signed by its own key');
    const key = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' });
    if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('its key is not of the curve P-256');
    return key;
  } catch (cause) {
    throw new AgentError('BAD_REQUEST', `the certificate request cannot be used: ${(cause as Error).message}`, {
      cause,
    });
  }
}
