import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import {
  decodeJoinRequest,
  decodeRenewalRequest,
  encodePeerRecord,
  type Grant,
  type JoinRequest,
  ModelError,
  type PeerState,
  type RenewalRequest,
} from '@quorate/model';
import { AgentError } from '../errors.ts';
import { type Identity, identityOf } from '../trust/identity.ts';

/** What the endpoint is there for. */
export interface PeerHandlers {
  /** asked by another instance of the cluster */
  state(): Promise<PeerState>;
  /**
   * Asked by anybody: nothing is known of who sent it but what the request proves.
   * @throws AgentError with a code and a message that a stranger may see
   */
  join(request: JoinRequest, socket: TLSSocket): Promise<Grant>;
  /** asked by anybody of the cluster whose certificate still holds */
  renew(request: RenewalRequest, who: Identity): Promise<Grant>;
}

export interface PeerServerOptions {
  /** where to listen; every address unless said */
  readonly host?: string;
  /** 0 for one that is free */
  readonly port: number;
  /** the cluster's id */
  readonly cluster: string;
  /** key, certificate and authority: see `TrustFolder.tls` */
  readonly tls: SecureContextOptions;
  readonly handlers: PeerHandlers;
  /** told of what went wrong here, not of what strangers do */
  readonly failed: (error: unknown) => void;
}

/** Bytes of a request: a certificate request and some names. */
const BODY_MOST = 32 * 1024;
/** ms for a handshake, for a request's head, and for all of it. A stranger that is slower holds nothing for long. */
const LIMITS = { handshake: 5_000, head: 5_000, request: 10_000, idle: 15_000 } as const;
/** A fleet's instances ask once in a while; more than these are turned away. */
const CONNECTIONS_MOST = 256;

/** The small endpoint that agents speak to each other by: HTTPS with certificates on both sides, but for `POST /join`. */
export class PeerServer implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws AgentError UNREACHABLE when the port is taken or the address is not of this machine */
  static async listen(options: PeerServerOptions): Promise<PeerServer> {
    const { createServer } = await import('node:https'); // 9 MB of memory, only for those that have an endpoint
    const server = createServer({
      ...options.tls,
      minVersion: 'TLSv1.3',
      requestCert: true,
      // who joins has no certificate yet: `answer` asks each connection what it may do
      rejectUnauthorized: false,
      handshakeTimeout: LIMITS.handshake,
      headersTimeout: LIMITS.head,
      requestTimeout: LIMITS.request,
      keepAliveTimeout: LIMITS.idle,
      connectionsCheckingInterval: 1_000,
    });
    server.maxConnections = CONNECTIONS_MOST;
    server.setTimeout(LIMITS.idle);
    server.on('request', (request, response) => {
      answer(request, response, options).catch(options.failed);
    });
    // a stranger that speaks no TLS or no HTTP: that it was cut off is all there is to say
    server.on('tlsClientError', (_, socket) => socket.destroy());
    server.on('clientError', (_, socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) => reject(cannotListen(options, cause)));
      server.listen(options.port, options.host, resolve);
    });
    server.on('error', options.failed);
    return new PeerServer(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections made from now on see this certificate. */
  renew(tls: SecureContextOptions): void {
    this.#server.setSecureContext({ ...tls, minVersion: 'TLSv1.3' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

function cannotListen({ host, port }: PeerServerOptions, cause: NodeJS.ErrnoException): AgentError {
  const why =
    cause.code === 'EADDRINUSE' ? 'something else listens there: `ss -ltnp` tells what' : (cause.code ?? cause.message);
  return new AgentError(
    'UNREACHABLE',
    `the peer endpoint cannot listen on ${host ?? '*'}:${port} (ensemble.ports.peer): ${why}`,
    { cause },
  );
}

async function answer(request: IncomingMessage, response: ServerResponse, options: PeerServerOptions): Promise<void> {
  try {
    const record = await serve(request, options);
    send(response, 200, record);
  } catch (error) {
    if (!(error instanceof Refused)) options.failed(error);
    const { status, code, message } = error instanceof Refused ? error : INTERNAL;
    send(response, status, { error: { code, message } });
  } finally {
    request.resume(); // what was not read is let go, so that the answer gets through
  }
}

async function serve(request: IncomingMessage, { cluster, handlers }: PeerServerOptions): Promise<object> {
  const socket = request.socket as TLSSocket;
  switch (`${request.method} ${request.url}`) {
    case 'GET /state':
      if (whoOn(socket, cluster)?.kind !== 'instance')
        throw new Refused(403, 'NOT_TRUSTED', 'this is for instances of the cluster, by their certificate');
      return handlers.state();
    case 'POST /renew': {
      const who = whoOn(socket, cluster);
      if (!who) throw new Refused(403, 'NOT_TRUSTED', 'this is for those whose certificate still holds: join again');
      const bytes = await body(request);
      return granted(() => handlers.renew(decodeRenewalRequest(bytes), who));
    }
    case 'POST /join': {
      const bytes = await body(request);
      return granted(() => handlers.join(decodeJoinRequest(bytes), socket));
    }
    default:
      throw new Refused(404, 'BAD_REQUEST', 'there are GET /state, POST /join and POST /renew');
  }
}

async function granted(grant: () => Promise<Grant>): Promise<Grant> {
  try {
    return await grant();
  } catch (error) {
    if (error instanceof ModelError) throw new Refused(400, error.code, error.message);
    if (error instanceof AgentError && REFUSALS.has(error.code)) throw new Refused(403, error.code, error.message);
    throw error;
  }
}

/** Codes whose messages are made for whoever asked. */
const REFUSALS: ReadonlySet<string> = new Set(['TOKEN_REFUSED', 'BAD_REQUEST']);

/** Who is at the other end, when it showed a certificate of the cluster that holds now. */
function whoOn(socket: TLSSocket, cluster: string): Identity | undefined {
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  const identity = certificate && identityOf(certificate);
  return identity?.cluster === cluster ? identity : undefined;
}

async function body(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_MOST) throw new Refused(413, 'BAD_REQUEST', `a request has at most ${BODY_MOST} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function send(response: ServerResponse, status: number, record: object): void {
  const bytes = encodePeerRecord(record);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': bytes.length,
    connection: 'close',
  });
  response.end(bytes);
}

class Refused extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** What went wrong here is for our own log. */
const INTERNAL = { status: 500, code: 'FAILED', message: 'the instance could not answer: its log says why' } as const;
