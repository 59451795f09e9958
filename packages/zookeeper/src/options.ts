import { type ConnectionOptions, createSecureContext } from 'node:tls';
import { ZooKeeperError } from './errors.ts';
import { checkChroot, parseConnectString, parseServer, type Server } from './servers.ts';

export interface ConnectOptions {
  /** ms without contact after which the ensemble ends the session. The servers have bounds of their own; `zk.session.timeout` tells what was granted. 10,000 unless told otherwise. */
  readonly sessionTimeout?: number;
  /** ms until the first server must have granted a session, else CONNECT_TIMEOUT. 15,000 unless told otherwise; `Infinity` waits for ever. */
  readonly connectTimeout?: number;
  /**
   * ms without any server after which the session counts as expired, though none could say so: 4/3 of the granted time-out unless told otherwise.
   * `Infinity` waits for the word of a server: a session survives an outage of the whole ensemble, and operations wait as long.
   */
  readonly outageLimit?: number;
  /** Sent on every connection. `digest` takes `user:password`. */
  readonly auth?: readonly { readonly scheme: string; readonly auth: string | Uint8Array }[];
  /**
   * Connects with TLS: `true`, or what `tls.connect` takes (`ca`, `cert`, `key`, `servername` …). A function is asked before each
   * connection: certificates may be replaced meanwhile. When it fails then, what it gave last is used again.
   */
  readonly tls?: boolean | ConnectionOptions | (() => ConnectionOptions);
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
  /** ms */
  readonly sessionTimeout: number;
  /** ms */
  readonly connectTimeout: number;
  /** ms */
  readonly outageLimit: number | undefined;
  readonly auth: readonly { scheme: string; auth: Uint8Array }[];
  /** for the next connection; undefined for one without TLS */
  readonly tls: (() => ConnectionOptions) | undefined;
  readonly readOnly: boolean;
  readonly session: { readonly id: bigint; readonly password: Uint8Array } | undefined;
  readonly maxFrame: number;
  readonly maxRequest: number;
  readonly followConfig: boolean;
  readonly signal: AbortSignal | undefined;
  readonly random: () => number;
  readonly now: () => number;
}

export type ConnectTarget = string | ({ readonly servers: string | readonly string[] } & ConnectOptions);

const MAX_FRAME = 4 * 1024 * 1024;
const MAX_REQUEST = 0xfffff;
/** Also the longest time that a timer holds: 25 days in ms. */
const LARGEST_INT = 0x7fffffff;

function badOption(what: string, advice: string, cause?: unknown): ZooKeeperError {
  return new ZooKeeperError('BAD_ARGUMENTS', `${what}; ${advice}`, cause === undefined ? {} : { cause });
}

function checkNumber(name: string, value: number, least: number, most = LARGEST_INT): number {
  if (Number.isFinite(value) && value >= least && value <= most) return value;
  throw badOption(`${name} is ${value}`, `give a number from ${least} to ${most}`);
}

function checkTime(name: string, value: number): number {
  return value === Number.POSITIVE_INFINITY ? value : checkNumber(name, value, 0);
}

/** What `connect` was called with, checked and completed. Throws BAD_ARGUMENTS. */
export function readOptions(target: ConnectTarget, given: ConnectOptions): SessionSettings {
  const options = typeof target === 'string' ? given : { ...target, ...given };
  const { servers, chroot } = readServers(typeof target === 'string' ? target : target?.servers);
  const { outageLimit } = options;
  return {
    servers,
    chroot: options.chroot === undefined ? chroot : checkChroot(options.chroot),
    sessionTimeout: checkNumber('sessionTimeout', options.sessionTimeout ?? 10_000, 1),
    connectTimeout: checkTime('connectTimeout', options.connectTimeout ?? 15_000),
    outageLimit: outageLimit === undefined ? undefined : checkTime('outageLimit', outageLimit),
    auth: readAuth(options.auth ?? []),
    tls: readTls(options.tls),
    readOnly: options.readOnly ?? false,
    session: readSession(options.session),
    maxFrame: checkNumber('maxFrame', options.maxFrame ?? MAX_FRAME, 64),
    maxRequest: checkNumber('maxRequest', options.maxRequest ?? MAX_REQUEST, 64),
    followConfig: options.followConfig ?? false,
    signal: options.signal,
    random: options.random ?? Math.random,
    now: options.now ?? (() => performance.now()),
  };
}

function readServers(servers: string | readonly string[]): ReturnType<typeof parseConnectString> {
  if (typeof servers === 'string') return parseConnectString(servers);
  if (Array.isArray(servers) && servers.length > 0 && servers.every((server) => typeof server === 'string')) {
    return { servers: servers.map(parseServer), chroot: '' };
  }
  throw badOption('servers is neither a string nor a list of strings', 'name at least one host:port');
}

/** One way to authenticate, checked. Throws BAD_ARGUMENTS. */
export function checkAuth(scheme: string, auth: string | Uint8Array): { scheme: string; auth: Uint8Array } {
  if (typeof scheme !== 'string') throw badOption(`the scheme of auth is ${typeof scheme}`, 'give a string');
  if (typeof auth === 'string') return { scheme, auth: Buffer.from(auth) };
  if (auth instanceof Uint8Array) return { scheme, auth: Buffer.from(auth) };
  throw badOption(`auth for the scheme ${scheme} is ${typeof auth}`, 'give a string, a Buffer or a Uint8Array');
}

function readAuth(given: NonNullable<ConnectOptions['auth']>): SessionSettings['auth'] {
  if (!Array.isArray(given)) throw badOption('auth is no list', 'give [{ scheme, auth }]');
  return given.map(({ scheme, auth }) => checkAuth(scheme, auth));
}

/** Keys and certificates are read here, where it can be told that they are of no use. */
function readTls(given: ConnectOptions['tls']): (() => ConnectionOptions) | undefined {
  if (given === undefined || typeof given === 'boolean') return given ? () => ({}) : undefined;
  if (typeof given === 'function') return renewed(given);
  if (typeof given !== 'object') throw badOption(`tls is ${typeof given}`, 'give true or the options of tls.connect');
  const options = withContext(given);
  return () => options;
}

function renewed(ask: () => ConnectionOptions): () => ConnectionOptions {
  let last = withContext(ask());
  return () => {
    try {
      last = withContext(ask());
    } catch {
      // in the middle of a replacement, or damaged since: what served until now may serve on, and the server has the last word
    }
    return last;
  };
}

function withContext(given: ConnectionOptions): ConnectionOptions {
  try {
    return { ...given, secureContext: given.secureContext ?? createSecureContext(given) };
  } catch (cause) {
    throw badOption(`tls: ${(cause as Error).message}`, 'check key, cert and ca', cause);
  }
}

function readSession(given: ConnectOptions['session']): ConnectOptions['session'] {
  if (given === undefined) return undefined;
  const { id, password } = given;
  const known = typeof id === 'bigint' && BigInt.asIntN(64, id) === id && password instanceof Uint8Array;
  if (known) return { id, password };
  throw badOption(
    'session has no id of 64 bits or no password',
    "give the id and password of another client's session",
  );
}
