import { Authentications } from './auth.ts';
import { Connection, type ConnectionOwner, type WireEvent } from './connection.ts';
import { Credentials } from './credentials.ts';
import { ZooKeeperError } from './errors.ts';
import { EventQueue } from './event-queue.ts';
import type { SessionSettings } from './options.ts';
import { lostError, unsentError } from './outcome.ts';
import { contactWithin, grantWithin } from './patience.ts';
import { type AnyRequest, Request, RequestQueue } from './protocol/operation.ts';
import { CLOSE } from './protocol/operations.ts';
import type { SessionGrant } from './protocol/records.ts';
import { Race } from './race.ts';
import { Search } from './search.ts';
import { rebalance, type Server, ServerList, sameServers, serverName } from './servers.ts';
import { WatchTable } from './watch-table.ts';

export type State = 'connecting' | 'connected' | 'read-only' | 'expired' | 'closed' | 'auth-failed';

/** ms that a timer holds. */
const LONGEST_TIMER = 0x7fffffff;
/** ms that `close` waits for the server's word at most. */
const CLOSE_WAIT = 5_000;

/**
 * A session with an ensemble, over one connection at a time: finds a server, sends requests in order, moves to another
 * server when the connection is lost, and ends when the ensemble, the caller or a long outage ends it.
 */
export class Session implements ConnectionOwner {
  readonly watches = new WatchTable();
  readonly closed: Promise<ZooKeeperError | undefined>;
  /** Why the last connection, or attempt, was lost. */
  lastError: ZooKeeperError | undefined;
  /** Called after each reconnect with the zxid that was seen before it, when the watches are set again. */
  onReconnect: ((zxid: bigint) => void) | undefined;
  readonly #settings: SessionSettings;
  readonly #servers: ServerList;
  readonly #race: Race;
  readonly #search = new Search(() => this.#dialWritable());
  readonly #waiting = new RequestQueue();
  readonly #auths: Authentications;
  readonly #credentials: Credentials;
  readonly #listeners = new Set<EventQueue<State>>();
  #resolveClosed!: (error: ZooKeeperError | undefined) => void;
  #state: State = 'connecting';
  #error: ZooKeeperError | undefined;
  #connection: Connection | undefined;
  #lastHeard = 0;
  #zxidHigh = 0;
  #zxidLow = 0;
  #granted = false;
  #closing = false;
  /** What is submitted waits for the next connection, which is under way or due. */
  #moving = false;
  #abandoned = 0;
  #outage: NodeJS.Timeout | undefined;

  constructor(settings: SessionSettings) {
    this.#settings = settings;
    const { random, now } = settings;
    this.#servers = new ServerList(settings.servers, random);
    const servers = () => this.#servers.servers.length;
    const timeout = () => this.timeout;
    this.#race = new Race({ dial: (busy) => this.#dialNext(busy), servers, timeout, random, now });
    this.#auths = new Authentications(settings.auth, (error) => this.#end('auth-failed', error));
    this.#credentials = new Credentials(settings.session, settings.sessionTimeout);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  get chroot(): string {
    return this.#settings.chroot;
  }

  get state(): State {
    return this.#state;
  }

  get id(): bigint {
    return this.#credentials.id;
  }

  get password(): Buffer {
    return this.#credentials.password;
  }

  /** ms, as the server granted it */
  get timeout(): number {
    return this.#credentials.timeout;
  }

  get server(): Server | undefined {
    return this.#live ? this.#connection?.server : undefined;
  }

  get servers(): readonly Server[] {
    return this.#servers.servers;
  }

  /** Greatest transaction number seen. */
  get zxid(): bigint {
    return (BigInt(this.#zxidHigh) << 32n) | BigInt(this.#zxidLow);
  }

  get ended(): boolean {
    return this.#state === 'expired' || this.#state === 'closed' || this.#state === 'auth-failed';
  }

  /** ms since a server was last heard. */
  get silence(): number {
    return this.#settings.now() - (this.#live ? this.#connection!.lastHeard : this.#lastHeard);
  }

  get #live(): boolean {
    return this.#state === 'connected' || this.#state === 'read-only';
  }

  /** Whether what is submitted now goes out now. */
  get sending(): boolean {
    return this.#live && !this.#moving && !this.#closing;
  }

  start(): void {
    this.#race.start();
  }

  states(signal?: AbortSignal): EventQueue<State> {
    const queue: EventQueue<State> = new EventQueue({ left: () => this.#listeners.delete(queue) }, signal);
    if (this.ended) queue.finish();
    else if (!queue.ended) this.#listeners.add(queue);
    return queue;
  }

  /** Sends it, or keeps it until there is a connection. */
  submit(request: AnyRequest): void {
    if (this.#closing || this.ended) request.fail(unsentError(request, this.#error));
    else if (this.sending) this.#connection!.send(request);
    else this.#waiting.push(request);
  }

  /** A waiting request was given up. They are only dropped when they are many: dropping one costs a pass over all. */
  abandoned(): void {
    this.#abandoned++;
    if (this.#abandoned < 64 || this.#abandoned * 2 < this.#waiting.length) return;
    this.#abandoned = 0;
    this.#waiting.sweep();
  }

  /** Resolves when a server has accepted it. Every later connection sends it again. */
  addAuth(scheme: string, auth: Uint8Array): Promise<void> {
    if (this.#closing || this.ended) return Promise.reject(this.#error ?? closedError());
    return this.#auths.add(scheme, auth, this.#live ? this.#connection : undefined);
  }

  /** Resolves when everything that was given to authenticate with is accepted. */
  get authenticated(): Promise<unknown> {
    return this.#auths.initial;
  }

  #dialNext(busy: (server: Server) => boolean): Connection {
    const { server, round } = this.#servers.next(busy);
    // A server without a quorum refuses sessions that one with a quorum gave, so every other round asks as a stranger.
    const stranger = this.#settings.readOnly && this.#credentials.writable && round % 2 === 1;
    return this.#connect(server, round, this.#settings.readOnly, stranger);
  }

  #connect(server: Server, round: number, readOnly: boolean, stranger: boolean): Connection {
    const { tls, maxFrame, maxRequest, chroot, now, sessionTimeout } = this.#settings;
    const request = this.#credentials.request(this.zxid, sessionTimeout, readOnly, stranger);
    const contact = contactWithin(this.timeout, this.#servers.servers.length);
    const grant = grantWithin(this.timeout, round);
    return new Connection({ server, tls: tls?.(), request, contact, grant, maxFrame, maxRequest, chroot, now }, this);
  }

  ready(connection: Connection): void {
    if (connection === this.#search.candidate) connection.ask();
    else this.#race.ready(connection);
  }

  opened(connection: Connection, grant: SessionGrant): void {
    if (grant.id === 0n || grant.timeout <= 0) {
      connection.end();
      this.#expire('the ensemble says that the session has expired');
      return;
    }
    if (connection === this.#search.candidate) this.#adoptCandidate(connection);
    else if (this.#credentials.writable && connection.requested === 0n && !grant.readOnly) {
      // It can write, so it takes the session that this client has; the one that it gave now is not wanted.
      connection.decline();
      this.#race.replace(connection, this.#connect(connection.server, 0, this.#settings.readOnly, false));
      return;
    } else this.#race.won(connection);
    this.#connection = connection;
    const before = this.#granted ? this.zxid : undefined;
    this.#granted = true;
    this.#credentials.take(grant);
    clearTimeout(this.#outage);
    this.#auths.sendAll(connection);
    for (const batch of this.watches.batches(this.zxid)) {
      connection.sendWatches(batch.code, (writer) => batch.encode(writer));
    }
    this.#enter(grant.readOnly ? 'read-only' : 'connected');
    this.#moving = false;
    if (grant.readOnly) this.#search.start();
    for (const request of this.#waiting.drain()) if (!request.settled) connection.send(request);
    if (before !== undefined) this.onReconnect?.(before);
  }

  event(event: WireEvent): void {
    this.watches.dispatch(event.type, event.path, event.zxid);
  }

  progressed(high: number, low: number): void {
    if (high > this.#zxidHigh || (high === this.#zxidHigh && low > this.#zxidLow)) {
      this.#zxidHigh = high;
      this.#zxidLow = low;
    }
  }

  drained(): void {
    if (this.#moving) this.#move();
  }

  lost(connection: Connection, error: ZooKeeperError): void {
    this.lastError = error;
    if (connection === this.#search.candidate) {
      this.#search.release();
      return;
    }
    if (this.#race.has(connection)) {
      this.#race.failed(connection);
      return;
    }
    const { lastHeard } = connection;
    const wasLive = this.#live;
    this.#moving = false;
    this.#connection = undefined;
    // One that grants the session and then cuts the connection is not tried over and over without a wait.
    if (connection.answered) {
      this.#servers.succeeded();
      this.#race.succeeded();
    }
    if (this.#closing) {
      this.#settle(connection, error);
      this.#end('closed', undefined);
      return;
    }
    if (wasLive) this.#suspend(lastHeard);
    this.#settle(connection, error);
    if (!this.ended) this.#race.start();
  }

  /** The connection is gone, the session may live: from now on it is a question of time. */
  #suspend(lastHeard: number): void {
    this.#lastHeard = lastHeard;
    this.#search.stop();
    this.#enter('connecting');
    const limit = this.#settings.outageLimit ?? Math.min((this.timeout * 4) / 3, LONGEST_TIMER);
    if (limit === Number.POSITIVE_INFINITY) return;
    const left = limit - (this.#settings.now() - lastHeard);
    this.#outage = setTimeout(
      () => this.#expire(`no server was reached for ${Math.round(limit)} ms`),
      Math.max(0, left),
    );
  }

  /** Requests that the lost connection took along: reads are asked again, in order; writes are ambiguous. */
  #settle(connection: Connection, cause: ZooKeeperError): void {
    const again: AnyRequest[] = [];
    this.watches.expectNothing();
    for (const request of connection.inFlight.drain()) {
      if (request.settled) continue;
      if (!request.operation.write && !this.#closing) again.push(request);
      else if (request.onLost !== undefined && !this.#closing) request.onLost(request);
      else request.fail(lostError(request, cause));
    }
    this.#waiting.unshift(again);
  }

  #enter(state: State): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of this.#listeners) listener.push(state);
  }

  #expire(why: string): void {
    this.#end('expired', new ZooKeeperError('SESSION_EXPIRED', `the session has expired: ${why}; connect again`));
  }

  #end(state: 'expired' | 'closed' | 'auth-failed', error: ZooKeeperError | undefined): void {
    if (this.ended) return;
    this.#error = error;
    clearTimeout(this.#outage);
    this.#race.stop();
    this.#search.stop();
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.end();
    this.#enter(state);
    if (connection !== undefined) this.#settleEnded(connection);
    for (const request of this.#waiting.drain()) if (!request.settled) request.fail(unsentError(request, this.#error));
    this.#auths.end(error ?? closedError());
    this.watches.endAll(error);
    for (const listener of this.#listeners) listener.finish();
    this.#listeners.clear();
    this.#resolveClosed(error);
  }

  #settleEnded(connection: Connection): void {
    for (const request of connection.inFlight.drain()) {
      if (request.settled) continue;
      const error = unsentError(request, this.#error);
      request.fail(request.operation.write ? lostError(request, error) : error);
    }
  }

  /** Ends the session on the server too, after everything that was sent before. */
  async close(): Promise<void> {
    if (!this.ended && !this.#closing) {
      if (this.#live) await this.#farewell();
      this.#closing = true;
      this.#end('closed', undefined);
    }
    await this.closed;
  }

  #farewell(): Promise<void> {
    // A move that still waits for an answer is given up: the word has to be said here.
    this.#moving = false;
    for (const request of this.#waiting.drain()) this.submit(request);
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(done, Math.min(CLOSE_WAIT, this.timeout));
      this.submit(new Request(CLOSE, '', undefined, done, done) as unknown as AnyRequest);
      this.#closing = true;
      void this.closed.then(done);
    });
  }

  #dialWritable(): Connection {
    const { server, round } = this.#servers.next((each) => each === this.#connection?.server);
    return this.#connect(server, round, false, false);
  }

  #adoptCandidate(connection: Connection): void {
    const old = this.#connection;
    this.#search.release();
    this.#search.stop();
    this.#connection = connection;
    this.#moving = true;
    if (old === undefined) return;
    old.end();
    this.#settle(old, new ZooKeeperError('CONNECTION_LOSS', 'the session moved to a server that can write'));
  }

  /** Takes a new list of servers and moves this connection if that keeps the clients spread evenly. */
  replaceServers(servers: readonly Server[]): void {
    const before = this.#servers.servers;
    if (sameServers(before, servers) || servers.length === 0 || this.ended) return;
    const target = rebalance(before, servers, this.server, this.#settings.random);
    this.#servers.replace(servers, target ?? []);
    if (target === undefined || this.#state !== 'connected') return;
    this.#moving = true;
    if (this.#connection!.inFlight.length === 0) this.#move();
  }

  /** Nothing is in flight, so leaving loses nothing. */
  #move(): void {
    const connection = this.#connection!;
    connection.end();
    this.lost(
      connection,
      new ZooKeeperError('CONNECTION_LOSS', `left ${serverName(connection.server)} for another server`),
    );
  }
}

function closedError(): ZooKeeperError {
  return new ZooKeeperError('CLOSED', 'addAuth: the client was closed; connect again', { operation: 'addAuth' });
}
