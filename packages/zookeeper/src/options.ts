import type { ConnectionOptions } from 'node:tls';
import { ZooKeeperError } from './errors.ts';
import { checkChroot, parseConnectString, parseServer, type Server } from './servers.ts';

export interface ConnectOptions {
  /** ms without contact after which the ensemble ends the session. The servers have bounds of their own; `zk.session.timeout` tells what was granted. 10,000 unless told otherwise. */
  readonly sessionTimeout?: number;
  /** ms until the first server must have granted a session, else CONNECT_TIMEOUT. 15,000 unless told otherwise. */
  readonly connectTimeout?: number;
  /**
   * ms without any server after which the session counts as expired, though none could say so: 4/3 of the granted time-out unless told otherwise.
   * `Infinity` waits for the word of a server: a session survives an outage of the whole ensemble, and operations wait as long.
   */
  readonly outageLimit?: number;
  /** Sent on every connection. `digest` takes `user:password`. */
  readonly auth?: readonly { readonly scheme: string; readonly auth: string | Uint8Array }[];
  /** Connects with TLS: `true`, or what `tls.connect` takes (`ca`, `cert`, `key`, `servername` …). */
  readonly tls?: boolean | ConnectionOptions;
  /** Takes a server without a quorum too; the state is `read-only` then, and a server that can write is looked for. */
  readonly readOnly?: boolean;
  /** Takes over a session by the `id` and `password` of another client's `session`. */
  readonly session?: { readonly id: bigint; readonly password: Uint8Array };
  /** Gives up the first connect. */
  readonly signal?: AbortSignal;
  /** Put before every path. Written into the servers as `host:port/chroot`, or here. */
  readonly chroot?: string;
  /** Follows the membership of the ensemble: servers come from its configuration as soon as it can be read, and this client moves to keep the load even. */
  readonly followConfig?: boolean;
  /** Bytes of the longest reply that is taken. 4 MiB unless told otherwise, as in the Java client. */
  readonly maxFrame?: number;
  /** Bytes of the longest request that is sent. 1,048,575 unless told otherwise, which is the servers' `jute.maxbuffer`: they answer longer ones by cutting the connection. */
  readonly maxRequest?: number;
  /** A number in [0, 1), for the order of servers and the jitter: a test can make it repeatable. */
  readonly random?: () => number;
  /** ms on a clock that only moves forward. */
  readonly now?: () => number;
}

/** What a session runs by: the options, checked and completed. */
export interface SessionSettings {
  readonly servers: readonly Server[];
  readonly chroot: string;
  readonly sessionTimeout: number;
  readonly outageLimit: number | undefined;
  readonly auth: readonly { scheme: string; auth: Uint8Array }[];
  readonly tls: ConnectionOptions | undefined;
  readonly readOnly: boolean;
  readonly session: { readonly id: bigint; readonly password: Uint8Array } | undefined;
  readonly maxFrame: number;
  readonly maxRequest: number;
  readonly random: () => number;
  readonly now: () => number;
}

export type ConnectTarget = string | ({ readonly servers: string | readonly string[] } & ConnectOptions);

const MAX_FRAME = 4 * 1024 * 1024;
const MAX_REQUEST = 0xfffff;
const LARGEST_INT = 0x7fffffff;

function checkNumber(name: string, value: number, least: number, most: number): number {
  if (Number.isFinite(value) && value >= least && value <= most) return value;
  throw new ZooKeeperError('BAD_ARGUMENTS', `${name} is ${value}; give a number from ${least} to ${most}`);
}

/** What `connect` was called with, checked and completed. */
export function readOptions(target: ConnectTarget, given: ConnectOptions): SessionSettings & ConnectOptions {
  const options = typeof target === 'string' ? given : { ...target, ...given };
  const { servers, chroot } = readServers(typeof target === 'string' ? target : target.servers);
  return {
    ...options,
    servers,
    chroot: options.chroot === undefined ? chroot : checkChroot(options.chroot),
    sessionTimeout: checkNumber('sessionTimeout', options.sessionTimeout ?? 10_000, 1, LARGEST_INT),
    outageLimit: options.outageLimit,
    auth: (options.auth ?? []).map(({ scheme, auth }) => ({ scheme, auth: Buffer.from(auth as string) })),
    tls: options.tls === true ? {} : options.tls === false ? undefined : options.tls,
    readOnly: options.readOnly ?? false,
    session: options.session,
    maxFrame: checkNumber('maxFrame', options.maxFrame ?? MAX_FRAME, 64, LARGEST_INT),
    maxRequest: checkNumber('maxRequest', options.maxRequest ?? MAX_REQUEST, 64, LARGEST_INT),
    random: options.random ?? Math.random,
    now: options.now ?? (() => performance.now()),
  };
}

function readServers(servers: string | readonly string[]): ReturnType<typeof parseConnectString> {
  if (typeof servers === 'string') return parseConnectString(servers);
  if (servers.length === 0) throw new ZooKeeperError('BAD_ARGUMENTS', 'servers is empty; name at least one host:port');
  return { servers: servers.map(parseServer), chroot: '' };
}
