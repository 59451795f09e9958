import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type ConnectionOptions, connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import {
  decodeGrant,
  decodePeerState,
  decodeRefusal,
  encodePeerRecord,
  type Grant,
  type JoinRequest,
  type PeerState,
} from '@quorate/model';
import { AgentError, type AgentErrorCode } from '../errors.ts';
import { fingerprintOf } from '../trust/authority.ts';
import { isSignedBy, type TrustFolder } from '../trust/folder.ts';
import { identityOf } from '../trust/identity.ts';

/** ms for the whole exchange unless said */
const TIMEOUT_MS = 10_000;
/** Bytes of an answer: a state with 254 servers, or a grant with 1,000 addresses. */
const ANSWER_MOST = 256 * 1024;

export interface AskOptions {
  readonly signal?: AbortSignal;
  /** ms for the whole exchange; 10,000 unless said */
  readonly timeout?: number;
}

/**
 * What another instance says of itself.
 * @param address `HOST:PORT` of its peer endpoint
 * @throws AgentError UNREACHABLE; NOT_TRUSTED when it is no instance of this cluster, or takes us for none
 */
export async function askState(address: string, trust: TrustFolder, options: AskOptions = {}): Promise<PeerState> {
  const { cluster } = trust.identity();
  const tls = amongUs(trust, cluster);
  const exchange = { method: 'GET', path: '/state', decode: decodePeerState } as const;
  const state = await ask(address, tls, options, () => exchange);
  if (state.cluster !== cluster)
    throw new AgentError('NOT_TRUSTED', `${address} is of another cluster: ${state.cluster}`);
  return state;
}

/**
 * Asks an instance for another certificate in place of the one that is shown to it.
 * @param csr PKCS #10 in PEM
 * @throws AgentError UNREACHABLE; NOT_TRUSTED as above, or when ours does not hold any more
 */
export function askToRenew(address: string, trust: TrustFolder, csr: string, options: AskOptions = {}): Promise<Grant> {
  const exchange = { method: 'POST', path: '/renew', body: encodePeerRecord({ csr }), decode: decodeGrant } as const;
  return ask(address, amongUs(trust, trust.identity().cluster), options, () => exchange);
}

/** Certificates on both sides. It matters that the other is an instance of the cluster, not which address it is reached by. */
function amongUs(trust: TrustFolder, cluster: string): ConnectionOptions {
  const checkServerIdentity = (_: string, { raw }: PeerCertificate): Error | undefined => {
    const identity = identityOf(new X509Certificate(raw));
    if (identity?.kind === 'instance' && identity.cluster === cluster) return undefined;
    return new Error('its certificate is not that of an instance of this cluster');
  };
  return { ...trust.tls(), checkServerIdentity };
}

/** What is asked of an instance once it is known whom one talks to. */
export interface Application {
  readonly request: JoinRequest;
  /** throws unless the grant is what was asked for */
  accept(grant: Grant): void;
}

/**
 * Asks an instance for a certificate. Nothing is sent before `apply` has accepted the server.
 * @param apply throws when the server is not whom we want
 */
export function askToJoin(
  address: string,
  apply: (socket: TLSSocket) => Application,
  options: AskOptions = {},
): Promise<Grant> {
  // who is there is checked by `apply`: against no clock, which may be far off on a machine that is new
  return ask(address, { rejectUnauthorized: false }, options, (socket) => {
    const { request, accept } = apply(socket);
    const decode = (bytes: Uint8Array): Grant => {
      const grant = decodeGrant(bytes);
      accept(grant);
      return grant;
    };
    return { method: 'POST', path: '/join', body: encodePeerRecord(request), decode };
  });
}

/** Throws unless the server shows an instance's certificate by the authority with this fingerprint, whatever the clock says. @throws AgentError NOT_TRUSTED */
export function verifyFingerprint(socket: TLSSocket, address: string, fingerprint: string): void {
  const chain = socket.getPeerCertificate(true);
  const leaf = chain.raw && new X509Certificate(chain.raw);
  const authority = chain.issuerCertificate?.raw && new X509Certificate(chain.issuerCertificate.raw);
  if (
    leaf &&
    authority &&
    fingerprintOf(authority.raw) === fingerprint &&
    isSignedBy(leaf, authority) &&
    identityOf(leaf)?.kind === 'instance'
  )
    return;
  throw new AgentError(
    'NOT_TRUSTED',
    `${address} is not of the cluster that the token names: its authority is another one. Nothing was sent to it`,
  );
}

interface Exchange<T> {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: Buffer;
  readonly decode: (bytes: Uint8Array) => T;
}

/** What a refusal means here; others are that it does not trust us. */
const REFUSALS: ReadonlyMap<string, AgentErrorCode> = new Map([
  ['TOKEN_REFUSED', 'TOKEN_REFUSED'],
  ['BAD_REQUEST', 'BAD_REQUEST'],
  ['FAILED', 'UNREACHABLE'],
]);

/** One connection, one request, one answer. */
async function ask<T>(
  address: string,
  tls: ConnectionOptions,
  { signal, timeout = TIMEOUT_MS }: AskOptions,
  begin: (socket: TLSSocket) => Exchange<T>,
): Promise<T> {
  const limit = AbortSignal.any([AbortSignal.timeout(timeout), ...(signal ? [signal] : [])]);
  const socket = connect({ ...hostAndPort(address), minVersion: 'TLSv1.3', ...tls });
  const abort = (): void => {
    socket.destroy(limit.reason as Error);
  };
  limit.addEventListener('abort', abort, { once: true });
  try {
    await secured(socket);
    const exchange = begin(socket);
    const { status, bytes } = await exchanged(socket, address, exchange);
    if (status === 200) return exchange.decode(bytes);
    const { code, message } = decodeRefusal(bytes).error;
    const words = message.replace(/\p{Cc}/gu, ' '); // a stranger's: a terminal would obey them
    throw new AgentError(REFUSALS.get(code) ?? 'NOT_TRUSTED', `${address}: ${words}`);
  } catch (error) {
    signal?.throwIfAborted();
    throw explained(address, error, timeout);
  } finally {
    limit.removeEventListener('abort', abort);
    socket.destroy();
  }
}

const CLOSED = 'it closed the connection';

function secured(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve).on('error', reject);
    socket.once('close', () => reject(new Error(CLOSED)));
  });
}

async function exchanged(
  socket: TLSSocket,
  address: string,
  { method, path, body }: Exchange<unknown>,
): Promise<{ status: number; bytes: Buffer }> {
  const { request: httpRequest } = await import('node:http'); // as in the server: only where it is needed
  return new Promise((resolve, reject) => {
    const headers = { host: address, connection: 'close', ...(body ? { 'content-length': body.length } : {}) };
    const request = httpRequest({ createConnection: () => socket, method, path, headers });
    request.once('error', reject);
    request.once('response', async (response) => {
      try {
        const chunks: Buffer[] = [];
        let size = 0;
        for await (const chunk of response as AsyncIterable<Buffer>) {
          size += chunk.length;
          if (size > ANSWER_MOST) throw new Error(`it answers with more than ${ANSWER_MOST} bytes`);
          chunks.push(chunk);
        }
        resolve({ status: response.statusCode ?? 0, bytes: Buffer.concat(chunks) });
      } catch (error) {
        reject(error);
      }
    });
    request.end(body);
  });
}

/** @throws AgentError BAD_REQUEST */
function hostAndPort(address: string): { host: string; port: number; servername?: string } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(address);
  if (!match) throw new AgentError('BAD_REQUEST', `${JSON.stringify(address)} is not HOST:PORT`);
  const host = (match[1] ?? match[2])!;
  return { host, port: Number(match[3]), ...(isIP(host) ? {} : { servername: host }) };
}

const TLS_FAULT = /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|EPROTO)/;

/** Whether nothing was heard of an instance that could be reached: it is very busy, or the answer was lost. */
export function isSilence({ code, cause }: AgentError): boolean {
  if (code !== 'UNREACHABLE' || !(cause instanceof Error)) return false;
  return (
    cause.name === 'TimeoutError' || cause.message === CLOSED || (cause as NodeJS.ErrnoException).code === 'ECONNRESET'
  );
}

function explained(address: string, error: unknown, timeout: number): Error {
  if (error instanceof AgentError) return error;
  const { code = '', message, name } = error as NodeJS.ErrnoException;
  if (name === 'ModelError') return new AgentError('NOT_TRUSTED', `${address}: ${message}`, { cause: error });
  if (TLS_FAULT.test(code) || message.startsWith('its certificate'))
    return new AgentError('NOT_TRUSTED', `${address} is not trusted: ${message}`, { cause: error });
  const why = name === 'TimeoutError' ? `no answer within ${timeout / 1000} s` : code || message;
  return new AgentError('UNREACHABLE', `${address} does not answer: ${why}`, { cause: error });
}
