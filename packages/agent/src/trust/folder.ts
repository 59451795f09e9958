import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { SecureContextOptions } from 'node:tls';
import { replaceDurable, syncFolder, writeDurable } from '../disk/durable.ts';
import { fileError, isMissing } from '../disk/file-errors.ts';
import { AgentError } from '../errors.ts';
import { Authority } from './authority.ts';
import { type Identity, identityOf } from './identity.ts';

/** What a machine has of its cluster; all of it PEM. */
export interface Credentials {
  /** certificates of the cluster's authority, the one that new certificates come from first */
  readonly authority: string;
  /** instances only */
  readonly authorityKey?: string;
  readonly certificate: string;
  readonly key: string;
}

/** Names in the folder. `member.pem` is what counts: key, certificate and its authority, replaced in one step; `key.pem` and `cert.pem` are made from it for programs that want them apart. */
const FILES = { ca: 'ca.pem', caKey: 'ca.key', cert: 'cert.pem', key: 'key.pem', member: 'member.pem' } as const;
const SECRET = 0o600;
const PUBLIC = 0o644;

/** Where its files are. */
export function trustPaths(folder: string): Readonly<Record<keyof typeof FILES, string>> {
  const at = (name: string): string => join(folder, name);
  return {
    ca: at(FILES.ca),
    caKey: at(FILES.caKey),
    cert: at(FILES.cert),
    key: at(FILES.key),
    member: at(FILES.member),
  };
}

/** Where a trust folder is made, beside its place. */
export function arrivingFolder(path: string): string {
  return join(dirname(path), `.${basename(path)}.arriving`);
}

/** A machine's keys and certificates: `<state>/trust`, readable by its owner alone. */
export class TrustFolder {
  readonly path: string;
  readonly files: Readonly<Record<keyof typeof FILES, string>>;

  private constructor(path: string) {
    this.path = path;
    this.files = trustPaths(path);
  }

  /** Whether there is one. */
  static exists(path: string): boolean {
    return existsSync(join(path, FILES.member));
  }

  /** @throws AgentError NOT_TRUSTED when there is one */
  static mustBeNew(path: string): void {
    if (TrustFolder.exists(path)) throw alreadyThere(path);
  }

  /**
   * Makes it, whole and durable or not at all.
   * @throws AgentError NOT_TRUSTED when there is one already, or the parts do not fit; DISK_FULL and the like
   */
  static create(path: string, credentials: Credentials): TrustFolder {
    check(credentials, path);
    TrustFolder.mustBeNew(path);
    const arriving = arrivingFolder(path);
    try {
      rmSync(arriving, { recursive: true, force: true });
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      mkdirSync(arriving, { mode: 0o700 });
      new TrustFolder(arriving).#write(credentials);
      syncFolder(arriving);
      renameSync(arriving, path); // onto nothing, or an empty folder
      syncFolder(dirname(path));
    } catch (error) {
      rmSync(arriving, { recursive: true, force: true });
      if (['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw alreadyThere(path);
      throw fileError(`the trust folder ${path} cannot be made`, error);
    }
    return new TrustFolder(path);
  }

  /**
   * Reads and checks it; a step of a replacement that a crash cut off is done to its end.
   * @throws AgentError NOT_TRUSTED that says what is missing or wrong, and what to do
   */
  static open(path: string): TrustFolder {
    const folder = new TrustFolder(path);
    if (!TrustFolder.exists(path))
      throw new AgentError(
        'NOT_TRUSTED',
        `this machine belongs to no cluster: ${folder.files.member} is not there; join one with \`quorate join TOKEN\`, or found one with \`quorate init\``,
      );
    folder.#checkModes();
    const credentials = folder.credentials();
    check(credentials, path);
    folder.#repair(credentials);
    return folder;
  }

  /** @throws AgentError NOT_TRUSTED when a file is missing or holds something else */
  credentials(): Credentials {
    const [key, certificate] = splitBundle(read(this.files.member), this.files.member);
    const authority = read(this.files.ca);
    const authorityKey = existsSync(this.files.caKey) ? read(this.files.caKey) : undefined;
    return { authority, certificate, key, ...(authorityKey === undefined ? {} : { authorityKey }) };
  }

  /** Who this machine is in its cluster, and until when. */
  identity(): Identity & { readonly certificate: X509Certificate } {
    const certificate = new X509Certificate(this.credentials().certificate);
    return { ...known(certificate, this.path), certificate };
  }

  /** @throws AgentError NOT_TRUSTED on a machine that is no instance: only those hold the authority's key */
  authority(): Authority {
    const { authority, authorityKey } = this.credentials();
    if (authorityKey === undefined)
      throw new AgentError(
        'NOT_TRUSTED',
        `${this.path} has no ${FILES.caKey}: only an instance of the cluster can do this, run it on one`,
      );
    return authorityOf(authority, authorityKey);
  }

  /** For `node:tls` and `node:https`: read anew each time, so that a connection made later has the newer certificate. */
  tls(): SecureContextOptions {
    const { authority, certificate, key } = this.credentials();
    return { ca: certificatesOf(authority), cert: certificate + issuerOf(certificate, authority), key };
  }

  /**
   * Puts newer ones in place, member.pem first: from then on they count.
   * @throws AgentError NOT_TRUSTED when they do not fit each other or are of another cluster
   */
  replace(credentials: Credentials): void {
    check(credentials, this.path);
    const { cluster } = known(new X509Certificate(credentials.certificate), this.path);
    if (cluster !== this.identity().cluster)
      throw new AgentError('NOT_TRUSTED', `the new certificate is of another cluster: ${cluster}`);
    try {
      // who comes with a new authority's certificate must be known before anybody shows one
      renewDurable(this.files.ca, credentials.authority, PUBLIC);
      if (credentials.authorityKey !== undefined) renewDurable(this.files.caKey, credentials.authorityKey, SECRET);
      renewDurable(this.files.member, bundle(credentials), SECRET);
      renewDurable(this.files.key, credentials.key, SECRET);
      renewDurable(this.files.cert, credentials.certificate, PUBLIC);
      syncFolder(this.path);
    } catch (error) {
      throw fileError(`the certificate in ${this.path} cannot be replaced`, error);
    }
  }

  #write(credentials: Credentials): void {
    const put = (path: string, text: string, mode: number): void => writeDurable(path, [Buffer.from(text)], mode);
    put(this.files.ca, credentials.authority, PUBLIC);
    if (credentials.authorityKey !== undefined) put(this.files.caKey, credentials.authorityKey, SECRET);
    put(this.files.key, credentials.key, SECRET);
    put(this.files.cert, credentials.certificate, PUBLIC);
    put(this.files.member, bundle(credentials), SECRET);
  }

  #checkModes(): void {
    for (const path of [this.files.member, this.files.key, this.files.caKey]) checkSecretMode(path);
  }

  #repair({ key, certificate }: Credentials): void {
    renewDurable(this.files.key, key, SECRET);
    renewDurable(this.files.cert, certificate, PUBLIC);
  }
}

/**
 * Replaces a file, unless it holds that text already. ZooKeeper has a thread for each of `ca.pem` and `member.pem`, which reads both when its
 * file is replaced, `member.pem` twice: for its certificate and for its key. With both replaced at once, the thread that ends last may have
 * the former certificate, or a key that is of the other one, and the member shows that until it is started anew (seen with 3.9.5).
 */
function renewDurable(path: string, text: string, mode: number): void {
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) replaceDurable(path, text, mode);
}

/** @throws AgentError NOT_TRUSTED when others than its owner may read or write a secret file; one that is not there passes */
export function checkSecretMode(path: string): void {
  try {
    const { mode } = statSync(path);
    if ((mode & 0o077) === 0) return;
    throw new AgentError(
      'NOT_TRUSTED',
      `${path} holds a secret and has mode ${(mode & 0o777).toString(8)}: chmod 600 it, and replace the secret if others may have read it`,
    );
  } catch (error) {
    if (isMissing(error)) return;
    throw fileError(`${path} cannot be looked at`, error);
  }
}

function alreadyThere(path: string): AgentError {
  return new AgentError(
    'NOT_TRUSTED',
    `this machine belongs to a cluster already: move ${path} away first if it is to join another`,
  );
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (!isMissing(error)) throw fileError(`${path} cannot be read`, error);
    throw new AgentError('NOT_TRUSTED', `${path} is missing: join the cluster again`, { cause: error });
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g;
const PRIVATE_KEY = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n?/;

/** The certificates of a PEM text, each its own. */
export function certificatesOf(pem: string): string[] {
  return pem.match(CERTIFICATE) ?? [];
}

function bundle({ key, certificate, authority }: Credentials): string {
  return key + certificate + issuerOf(certificate, authority);
}

function splitBundle(text: string, path: string): [key: string, certificate: string] {
  const key = PRIVATE_KEY.exec(text)?.[0];
  const [certificate] = certificatesOf(text);
  if (key && certificate) return [key, certificate];
  throw new AgentError('NOT_TRUSTED', `${path} holds no key and certificate: join the cluster again`);
}

/** The authority whose key it is: while one follows another, there are two certificates. */
function authorityOf(certificates: string, key: string): Authority {
  const own = createPrivateKey(key);
  const certificate = certificatesOf(certificates).find((each) => new X509Certificate(each).checkPrivateKey(own));
  if (certificate) return new Authority(certificate, key);
  throw new AgentError('NOT_TRUSTED', "the authority's key is not that of its certificate: join the cluster again");
}

/** Which of the authority's certificates has signed one; '' when none has. */
function issuerOf(certificate: string, authority: string): string {
  const parsed = new X509Certificate(certificate);
  const signer = certificatesOf(authority).find((each) => isSignedBy(parsed, new X509Certificate(each)));
  return signer ?? '';
}

/** Whether one certificate was signed by the key of another; validity in time is not looked at. */
export function isSignedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

function known(certificate: X509Certificate, path: string): Identity {
  const identity = identityOf(certificate);
  if (identity) return identity;
  throw new AgentError(
    'NOT_TRUSTED',
    `the certificate in ${path} is none of a Quorate cluster: join the cluster again`,
  );
}

/** @throws AgentError NOT_TRUSTED unless key, certificate and authority belong together */
function check(credentials: Credentials, path: string): void {
  const fault = faultOf(credentials);
  if (fault) throw new AgentError('NOT_TRUSTED', `${path}: ${fault}; join the cluster again`);
}

function faultOf({ authority, authorityKey, certificate, key }: Credentials): string | undefined {
  try {
    if (certificatesOf(authority).length === 0) return "there is no authority's certificate";
    if (issuerOf(certificate, authority) === '') return "the certificate is not signed by the cluster's authority";
    const parsed = new X509Certificate(certificate);
    if (!identityOf(parsed)) return 'the certificate is none of a Quorate cluster';
    if (!parsed.checkPrivateKey(createPrivateKey(key))) return 'the key is not that of the certificate';
    if (authorityKey !== undefined) authorityOf(authority, authorityKey);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
