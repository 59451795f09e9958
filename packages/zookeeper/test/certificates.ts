import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Files of a private authority, of a server on the loopback, and of a client. */
export interface Certificates {
  readonly ca: string;
  /** Key, certificate and authority in one file, as servers read it. */
  readonly member: string;
  readonly clientKey: string;
  readonly clientCertificate: string;
}

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

function openssl(folder: string, parameters: string[]): void {
  execFileSync('openssl', parameters, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
}

function issue(folder: string, name: string, subject: string, extensions: string): void {
  writeFileSync(join(folder, `${name}.ext`), extensions);
  openssl(folder, ['req', ...CURVE, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject]);
  const sign = ['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'];
  openssl(folder, [...sign, '-days', '30', '-out', `${name}.crt`, '-extfile', `${name}.ext`]);
}

export function makeCertificates(folder: string): Certificates {
  openssl(folder, [
    'req',
    '-x509',
    ...CURVE,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '30',
    '-subj',
    '/CN=test ca',
  ]);
  issue(folder, 'server', '/CN=server', 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  issue(folder, 'client', '/CN=client', 'extendedKeyUsage=clientAuth\n');
  const parts = ['server.key', 'server.crt', 'ca.pem'].map((name) => readFileSync(join(folder, name), 'utf8'));
  writeFileSync(join(folder, 'server.pem'), parts.join(''));
  return {
    ca: join(folder, 'ca.pem'),
    member: join(folder, 'server.pem'),
    clientKey: join(folder, 'client.key'),
    clientCertificate: join(folder, 'client.crt'),
  };
}

/** Another client of the same authority. */
export function issueClient({ ca }: Certificates, name: string): { key: Buffer; cert: Buffer } {
  const folder = dirname(ca);
  issue(folder, name, `/CN=${name}`, 'extendedKeyUsage=clientAuth\n');
  return { key: readFileSync(join(folder, `${name}.key`)), cert: readFileSync(join(folder, `${name}.crt`)) };
}
