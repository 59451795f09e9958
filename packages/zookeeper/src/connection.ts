import type { ConnectionOptions } from 'node:tls';
import { AUTH_FAILED, NO_NODE, protocolError, serverError, UNIMPLEMENTED, ZooKeeperError } from './errors.ts';
import { Knock } from './knock.ts';
import { doubtAfter, idleFor, knockFor, silenceOf } from './patience.ts';
import { FrameSplitter } from './protocol/frames.ts';
import { type AnyRequest, RequestQueue } from './protocol/operation.ts';
import { Reader } from './protocol/reader.ts';
import { readSessionGrant, type SessionGrant, type SessionRequest, writeSessionRequest } from './protocol/records.ts';
import { Writer } from './protocol/writer.ts';
import { type Server, serverName } from './servers.ts';
import { dial, type Wire } from './wire.ts';

/** Replies with these numbers stand outside the order of requests. */
const XID = { event: -1, ping: -2, auth: -4, watches: -8 } as const;
const OP = { ping: 11, auth: 100, close: -11 } as const;
/** Bytes: xid, zxid, error. */
const REPLY_HEADER = 16;
const LARGEST_XID = 0x7fffffff;

export interface WireEvent {
  /** `Watcher.Event.EventType` */
  readonly type: number;
  readonly path: string;
  /** The transaction that caused it; servers before 3.9 do not tell. */
  readonly zxid: bigint | undefined;
}

/** What a connection tells its owner, in the order in which it came over the wire. */
export interface ConnectionOwner {
  /** The connection is made: the session can be asked for. */
  ready(connection: Connection): void;
  opened(connection: Connection, grant: SessionGrant): void;
  event(event: WireEvent): void;
  /** A reply was seen with this transaction number: high and low half. */
  progressed(high: number, low: number): void;
  /** Everything that was sent is answered. */
  drained(): void;
  /** Called exactly once, unless the owner itself ended the connection. */
  lost(connection: Connection, error: ZooKeeperError): void;
}

export interface ConnectionSettings {
  readonly server: Server;
  readonly tls: ConnectionOptions | undefined;
  readonly request: SessionRequest;
  /** ms in which the server's machine must take the connection */
  readonly contact: number;
  /** ms from then in which the session must be granted */
  readonly grant: number;
  /** bytes */
  readonly maxFrame: number;
  /** bytes */
  readonly maxRequest: number;
  readonly chroot: string;
  /** ms that only move forward */
  readonly now: () => number;
  /** Another way to the server than a socket of its own: a test feeds bytes by it. */
  readonly dial?: () => Wire;
}

/** One socket: opens a session on it, sends requests, matches replies in order, keeps it alive and notices its death. */
export class Connection {
  readonly server: Server;
  /** Sent, and not answered yet. */
  readonly inFlight = new RequestQueue();
  readonly #settings: ConnectionSettings;
  readonly #owner: ConnectionOwner;
  readonly #socket: Wire;
  readonly #writer = new Writer();
  readonly #reader = new Reader();
  readonly #frames: FrameSplitter;
  readonly #auths: ((error: number) => void)[] = [];
  #xid = 0;
  #flushing = false;
  #open = false;
  #answered = false;
  #ended = false;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires. */
  #due = 0;
  #sessionTimeout = 0;
  #lastSent: number;
  #lastHeard: number;
  /** Since when something that was sent waits for an answer and not a byte has come. */
  #unanswered: number | undefined;
  #knock: Knock | undefined;
  /** How often the machine could be reached in this silence. */
  #knocks = 0;

  constructor(settings: ConnectionSettings, owner: ConnectionOwner) {
    this.#settings = settings;
    this.#owner = owner;
    this.server = settings.server;
    this.#frames = new FrameSplitter(settings.maxFrame);
    this.#lastSent = this.#lastHeard = settings.now();
    this.#socket = settings.dial?.() ?? dial(settings.server, settings.tls, (chunk) => this.#receive(chunk));
    this.#timer = setTimeout(() => this.#late('was not made', settings.contact), settings.contact);
    this.#listen();
  }

  /** Whether the server has said anything since it granted the session. */
  get answered(): boolean {
    return this.#answered;
  }

  /** Bytes of a frame that has not wholly come; never more than `maxFrame` and its length. */
  get held(): number {
    return this.#frames.held;
  }

  /** When a byte last came, on the clock of `now`. */
  get lastHeard(): number {
    return this.#lastHeard;
  }

  /** The session that was asked for; 0 for a new one. */
  get requested(): bigint {
    return this.#settings.request.id;
  }

  #listen(): void {
    const socket = this.#socket;
    socket.once('connect', () => this.#contacted());
    socket.once(this.#settings.tls === undefined ? 'connect' : 'secureConnect', () => this.#owner.ready(this));
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', (cause) => this.#lose(this.#broken('failed', cause)));
    // A server that has said its last word takes no request either.
    socket.on('end', () => this.#lose(this.#broken('was closed by the server')));
    socket.on('close', () => this.#lose(this.#broken('was closed by the server')));
  }

  #broken(what: string, cause?: unknown): ZooKeeperError {
    const reason = cause instanceof Error && cause.message !== '' ? `: ${cause.message}` : '';
    const message = `the connection to ${serverName(this.server)} ${what}${reason}`;
    return new ZooKeeperError('CONNECTION_LOSS', message, cause === undefined ? {} : { cause });
  }

  #late(what: string, within: number): void {
    this.#lose(this.#broken(`${what} within ${Math.round(within)} ms`));
  }

  #contacted(): void {
    clearTimeout(this.#timer);
    const { grant } = this.#settings;
    this.#timer = setTimeout(() => this.#late('got no session', grant), grant);
  }

  /** Asks for the session. Once, when it is ready. */
  ask(): void {
    this.#writer.begin();
    writeSessionRequest(this.#writer, this.#settings.request);
    this.#writer.end();
    this.#flush();
  }

  /** Sends a request with the rest of this tick, or fails it when it is too large. */
  send(request: AnyRequest): void {
    const writer = this.#writer;
    this.#xid = this.#xid === LARGEST_XID ? 1 : this.#xid + 1;
    request.xid = this.#xid;
    writer.begin();
    try {
      writer.int(request.xid);
      writer.int(request.operation.code);
      request.operation.encode(writer, request.arguments);
    } catch (error) {
      // An argument of a wrong type: this request's fault alone, which must not leave half a frame behind.
      writer.drop();
      request.fail(error);
      return;
    }
    const bytes = writer.end();
    if (bytes > this.#settings.maxRequest) {
      writer.drop();
      request.fail(tooLarge(request, bytes, this.#settings.maxRequest));
      return;
    }
    this.inFlight.push(request);
    request.onSent?.();
    this.#flushSoon();
  }

  sendAuth(scheme: string, auth: Uint8Array, done: (error: number) => void): void {
    this.#auths.push(done);
    this.#sendSpecial(XID.auth, OP.auth, (writer) => {
      writer.int(0);
      writer.string(scheme);
      writer.buffer(auth);
    });
  }

  /** Sets watches again; their events and the reply stand outside the order of requests. */
  sendWatches(code: number, encode: (writer: Writer) => void): void {
    this.#sendSpecial(XID.watches, code, encode);
  }

  #sendSpecial(xid: number, code: number, encode?: (writer: Writer) => void): void {
    this.#writer.begin();
    this.#writer.int(xid);
    this.#writer.int(code);
    encode?.(this.#writer);
    this.#writer.end();
    this.#flushSoon();
  }

  /** Runs after every promise of this tick has been told, so all that they send leaves in one write. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    process.nextTick(flush, this);
  }

  /** Only for `flush`. */
  flushNow(): void {
    this.#flushing = false;
    this.#flush();
  }

  #flush(): void {
    if (this.#ended || this.#writer.pending === 0) return;
    this.#socket.write(this.#writer.take());
    if (this.#socket.writableLength === 0) this.#writer.reuse();
    this.#lastSent = this.#settings.now();
    if (!this.#open || this.#unanswered !== undefined) return;
    this.#unanswered = this.#lastSent;
    if (this.#doubtDue < this.#due) this.#arm();
  }

  #receive(chunk: Buffer): void {
    if (this.#ended) return;
    this.#lastHeard = this.#settings.now();
    try {
      this.#frames.push(chunk, this.#handleFrame);
    } catch (error) {
      // Whatever the bytes were, they end this connection and nothing else.
      this.#distrust(error);
    }
    this.#unanswered = this.inFlight.length === 0 ? undefined : this.#lastHeard;
    this.#knocks = 0;
    this.#knock?.end();
    this.#knock = undefined;
  }

  /** The request whose reply cannot be read is told so: sent again, it would meet the same bytes. */
  #distrust(error: unknown): void {
    const protocol = error instanceof ZooKeeperError ? error : protocolFailure(error);
    this.inFlight.shift()?.fail(protocol);
    this.#lose(protocol);
  }

  readonly #handleFrame = (buffer: Buffer, start: number, end: number): boolean => {
    const reader = this.#reader;
    reader.reset(buffer, start, end);
    if (!this.#open) {
      // Where a grant is due, a bare reply header is a refusal: a read-only server of 3.9 answers NOT_READ_ONLY so.
      if (end - start === REPLY_HEADER) this.#refused(buffer.readInt32BE(end - 4));
      else this.#opened(readSessionGrant(reader));
      return !this.#ended;
    }
    this.#answered = true;
    const xid = reader.int();
    const high = reader.int();
    const low = reader.unsigned();
    const error = reader.int();
    if (xid > 0) this.#reply(xid, high, low, error);
    else if (xid === XID.event) this.#event(high, low);
    else if (xid === XID.auth) this.#authenticated(error);
    else if (xid !== XID.ping && xid !== XID.watches) throw protocolError(`a reply with the unknown xid ${xid}`);
    return !this.#ended;
  };

  #reply(xid: number, high: number, low: number, error: number): void {
    const request = this.inFlight.peek();
    if (request === undefined) throw protocolError(`a reply to request ${xid}, which was never sent`);
    if (request.xid !== xid) {
      this.#refuse(xid, error, request.xid);
      return;
    }
    // Read before anything is told: a record that cannot be read is this request's failure.
    const { operation } = request;
    const result = error === 0 ? operation.decode(this.#reader, this.#settings.chroot, request.arguments) : undefined;
    this.inFlight.shift();
    if (high > 0 || (high === 0 && low > 0)) this.#owner.progressed(high, low);
    request.onReply?.(error);
    if (error === 0) request.succeed(result as never);
    else if (error === NO_NODE && 'absent' in operation) request.succeed(operation.absent as never);
    else request.fail(serverError(error, operation.name, request.path));
    if (this.inFlight.length === 0) this.#owner.drained();
  }

  /**
   * A reply out of turn. Servers before 3.6 refuse an operation that they do not know at once, while what came before
   * it is under way, and then end the connection; nothing else may come out of turn.
   */
  #refuse(xid: number, error: number, due: number): void {
    const request = error === UNIMPLEMENTED ? this.inFlight.take(xid) : undefined;
    if (request === undefined) throw protocolError(`a reply to request ${xid} where ${due} was due`);
    request.onReply?.(error);
    request.fail(serverError(error, request.operation.name, request.path));
  }

  #event(high: number, low: number): void {
    const type = this.#reader.int();
    this.#reader.int();
    const path = this.#reader.string();
    if (type < 1 || type > 7) throw protocolError(`an event of unknown type ${type}`);
    const zxid = high < 0 || (high === 0 && low === 0) ? undefined : (BigInt(high) << 32n) | BigInt(low);
    this.#owner.event({ type, path, zxid });
  }

  #authenticated(error: number): void {
    const done = this.#auths.shift();
    if (done === undefined) throw protocolError('an answer to an authentication that was never sent');
    done(error === 0 ? 0 : AUTH_FAILED);
  }

  #refused(error: number): void {
    const cause = serverError(error, 'connect', serverName(this.server));
    this.#lose(this.#broken('was refused a session', cause));
  }

  #opened(grant: SessionGrant): void {
    this.#open = true;
    this.#sessionTimeout = grant.timeout;
    this.#arm();
    this.#owner.opened(this, grant);
  }

  /** Sets the timer for what is due first: a ping, doubt in the server, or the verdict that it is silent. */
  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#ended || this.#sessionTimeout <= 0) return;
    const ping = this.#lastSent + idleFor(this.#sessionTimeout);
    this.#due = Math.min(ping, this.#doubtDue, this.#lastHeard + silenceOf(this.#sessionTimeout));
    this.#timer = setTimeout(() => this.#check(), Math.max(1, this.#due - this.#settings.now()));
  }

  get #doubtDue(): number {
    if (this.#unanswered === undefined || this.#knock !== undefined) return Number.POSITIVE_INFINITY;
    return this.#unanswered + doubtAfter(this.#sessionTimeout, this.#knocks);
  }

  #check(): void {
    const now = this.#settings.now();
    if (now - this.#lastHeard >= silenceOf(this.#sessionTimeout)) {
      // This process may have been stopped meanwhile: what has come by now is read before the verdict.
      setImmediate(() => this.#judge());
      return;
    }
    if (now - this.#lastSent >= idleFor(this.#sessionTimeout)) {
      this.#sendSpecial(XID.ping, OP.ping);
      this.#lastSent = now;
    }
    if (now >= this.#doubtDue) this.#doubt();
    this.#arm();
  }

  /** The server may be slow, and leaving it would help nobody and make writes ambiguous; or its machine cannot be reached any more. */
  #doubt(): void {
    const { remoteAddress } = this.#socket;
    if (remoteAddress === undefined) return void this.#knocks++; // closed by now: the socket is about to tell
    this.#knock = new Knock(remoteAddress, this.server.port, knockFor(this.#sessionTimeout), (gone) => {
      this.#knock = undefined;
      this.#knocks++;
      if (gone === undefined) this.#arm();
      else this.#lose(this.#broken(this.#silent, gone));
    });
  }

  #judge(): void {
    if (this.#settings.now() - this.#lastHeard < silenceOf(this.#sessionTimeout)) this.#arm();
    else this.#lose(this.#broken(this.#silent));
  }

  get #silent(): string {
    return `was silent for ${Math.round(this.#settings.now() - this.#lastHeard)} ms`;
  }

  #lose(error: ZooKeeperError): void {
    if (this.#ended) return;
    this.end();
    this.#owner.lost(this, error);
  }

  /** Ends the connection, and the session that was just granted on it. */
  decline(): void {
    this.#sendSpecial(1, OP.close);
    this.#flush();
    this.end();
  }

  /** Ends the connection without telling the owner. What is in flight stays in `inFlight`. */
  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#knock?.end();
    this.#socket.destroy();
  }
}

function flush(connection: Connection): void {
  connection.flushNow();
}

function protocolFailure(cause: unknown): ZooKeeperError {
  return new ZooKeeperError('PROTOCOL', `a frame could not be handled: ${String(cause)}`, { cause });
}

function tooLarge(request: AnyRequest, bytes: number, limit: number): ZooKeeperError {
  const { name: operation } = request.operation;
  const what = `the request has ${bytes} bytes, more than maxRequest (${limit})`;
  const advice = 'split it, or raise jute.maxbuffer on the servers and maxRequest here';
  return new ZooKeeperError('TOO_LARGE', `${operation} ${request.path}: ${what}; ${advice}`, {
    operation,
    path: request.path,
  });
}
