import { readFile } from 'node:fs/promises';
import { type ConnectOptions, CREATOR_ALL } from '@quorate/zookeeper';
import { StoreError } from '../errors.ts';
import type { OpenOptions } from '../open.ts';
import type { Store } from '../store.ts';
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
  const [, secure, servers, chroot = ''] = match;
  const connect: ConnectOptions = {
    sessionTimeout: SESSION_TIMEOUT,
    connectTimeout: options.connectTimeout ?? CONNECT_TIMEOUT,
    ...(options.servers ? { followConfig: true } : {}),
    ...(secure ? { tls: await tlsFiles(options.tls ?? {}) } : {}),
    ...(options.auth ? { auth: [{ scheme: 'digest', auth: options.auth }] } : {}),
  };
  const folder = chroot === '/' ? '' : chroot.replace(/\/$/, '');
  const named = servers!.split(',');
  const known = async (): Promise<readonly string[]> => (await options.servers?.()) ?? [];
  const link = new Link(async () => `${[...new Set([...named, ...(await known())])].join(',')}${folder}`, connect);
  const store = new ZooKeeperStore(url, link, options.auth ? CREATOR_ALL : undefined);
  try {
    await store.connect(options.signal);
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

async function tlsFiles(files: NonNullable<OpenOptions['tls']>): Promise<{ ca?: Buffer; cert?: Buffer; key?: Buffer }> {
  const read = async (name: 'ca' | 'cert' | 'key'): Promise<object> => {
    const path = files[name];
    if (path === undefined) return {};
    try {
      return { [name]: await readFile(path) };
    } catch (cause) {
      throw new StoreError('BAD_URL', `the ${name} file ${path} cannot be read: ${(cause as Error).message}`, {
        cause,
      });
    }
  };
  return { ...(await read('ca')), ...(await read('cert')), ...(await read('key')) };
}
