import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type ConnectOptions, ZooKeeper } from '@quorate/zookeeper';
import { StoreError } from '../errors.ts';
import type { OpenOptions } from '../open.ts';
import type { Store } from '../store.ts';
import { type Acls, aclsOfCertificate, closeRoot, OWN } from './acls.ts';
import { Link } from './link.ts';
import { ZooKeeperStore } from './store.ts';

/** ms without contact after which an instance's status goes away and a session ends. */
const SESSION_TIMEOUT = 10_000;
const CONNECT_TIMEOUT = 15_000;

/**
 * A store in a ZooKeeper ensemble: `zk://HOST:PORT,…/CHROOT`.
 * @throws StoreError BAD_URL; UNREACHABLE when no server grants a session in time
 */
export async function openZooKeeperStore(url: string, options: OpenOptions): Promise<Store> {
  const match = /^zk(\+tls)?:\/\/([^/]+)(\/.*)?$/.exec(url);
  if (!match)
    throw new StoreError(
      'BAD_URL',
      `${url} names no servers: write for example zk://10.0.0.1:2181,10.0.0.2:2181/quorate`,
    );
  const [, secure, hosts, chroot = ''] = match;
  const { tls: files = {} } = options;
  const connect: ConnectOptions = {
    sessionTimeout: SESSION_TIMEOUT,
    connectTimeout: options.connectTimeout ?? CONNECT_TIMEOUT,
    ...(options.servers ? { followConfig: true } : {}),
    ...(secure ? { tls: () => tlsFiles(files) } : {}),
    ...(options.auth ? { auth: [{ scheme: 'digest', auth: options.auth }] } : {}),
  };
  const folder = chroot === '/' ? '' : chroot.replace(/\/$/, '');
  const named = hosts!.split(',');
  const known = async (): Promise<readonly string[]> => (await options.servers?.()) ?? [];
  const servers = async (): Promise<string> => [...new Set([...named, ...(await known())])].join(',');
  const link = new Link(async () => `${await servers()}${folder}`, connect);
  const closed = secure ? aclsOfFiles(files) : undefined;
  // the root of somebody's own ensemble is theirs
  const close =
    closed &&
    (async () => {
      await using zk = await ZooKeeper.connect(await servers(), connect);
      await closeRoot(zk, closed);
    });
  const store = new ZooKeeperStore(url, link, closed ?? (options.auth ? OWN : undefined), {
    closeRoot: close,
    certificate: secure ? certificateName(files) : undefined,
    archiveWait: options.archiveWait,
  });
  try {
    await store.connect(options.signal);
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

type Files = NonNullable<OpenOptions['tls']>;

/** Read before each connection: certificates are renewed while a store is open. @throws StoreError BAD_URL */
function tlsFiles(files: Files): { ca?: Buffer; cert?: Buffer; key?: Buffer } {
  const tls: { ca?: Buffer; cert?: Buffer; key?: Buffer } = {};
  for (const name of ['ca', 'cert', 'key'] as const) {
    if (files[name] === undefined) continue;
    // key and certificate in one file are those of one moment
    tls[name] = name === 'key' && files.key === files.cert ? tls.cert! : readTls(name, files[name]);
  }
  return tls;
}

function readTls(name: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new StoreError('BAD_URL', `the ${name} file ${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** Kind and name, as the cluster's authority has put them into the certificate. */
function certificateName({ cert }: Files): string | undefined {
  if (cert === undefined) return undefined;
  const names = new X509Certificate(readTls('cert', cert)).subjectAltName ?? '';
  return /URI:quorate:([^,/]+)\/([^,]+)/.exec(names)?.slice(1, 3).join(' ');
}

function aclsOfFiles({ cert }: Files): Acls | undefined {
  if (cert === undefined) return undefined;
  try {
    return aclsOfCertificate(readTls('cert', cert));
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    throw new StoreError('BAD_URL', `the cert file ${cert} holds no certificate: ${(cause as Error).message}`, {
      cause,
    });
  }
}
