import type { Connection } from './connection.ts';
import { askedHeadStart, headStart, MOST_ATTEMPTS, pauseAfter } from './patience.ts';
import { type Server, serverName } from './servers.ts';

export interface RaceSettings {
  /** Begins an attempt at a server that is not among the busy ones. */
  readonly dial: (busy: (server: Server) => boolean) => Connection;
  /** How many servers there are to try. */
  readonly servers: () => number;
  /** ms, of the session that is searched for */
  readonly timeout: () => number;
  readonly random: () => number;
  /** ms that only move forward */
  readonly now: () => number;
}

/**
 * The search for a server that grants the session. A server has a head start; when it has not granted by then, another is tried beside it, and the first
 * that grants wins. So one that is gone, stopped or just starting costs the head start and no time-out. The session is asked of one server at a time, as
 * it belongs to the one that was asked last: the others wait with their connections made.
 */
export class Race {
  readonly #settings: RaceSettings;
  /** With the time of its begin. */
  readonly #underWay = new Map<Connection, number>();
  /** ms that the latest connection took to be made. */
  #usual = 0;
  /** Those under way that could ask, in the order in which they came. */
  #ready: Connection[] = [];
  /** Who was asked, while it has its head start. */
  #asked: Connection | undefined;
  #began = 0;
  /** ms of the searches before this one whose server was not good after all. */
  #inVain: number | undefined;
  /** Due when who was asked, or else who was dialed last, has had its head start. */
  #beside: NodeJS.Timeout | undefined;
  /** Due after the pause that a failed attempt is followed by. */
  #again: NodeJS.Timeout | undefined;

  constructor(settings: RaceSettings) {
    this.#settings = settings;
  }

  /** Begins a search: at once, or after a pause when the server that was found last was not good. */
  start(): void {
    this.#began = this.#settings.now();
    if (this.#inVain === undefined) this.#try();
    else this.#pause();
  }

  has(connection: Connection): boolean {
    return this.#underWay.has(connection);
  }

  /** Its connection is made. */
  ready(connection: Connection): void {
    const begun = this.#underWay.get(connection);
    if (begun === undefined) return;
    this.#usual = this.#settings.now() - begun;
    if (this.#asked === undefined) this.#ask(connection);
    else this.#ready.push(connection);
  }

  failed(connection: Connection): void {
    this.#drop(connection);
    this.#pause();
  }

  /** Another attempt at the same server takes the place of this one, which is over. */
  replace(connection: Connection, other: Connection): void {
    this.#drop(connection);
    this.#underWay.set(other, this.#settings.now());
  }

  /** Ends the others. */
  won(connection: Connection): void {
    this.#inVain = this.#searching;
    this.#underWay.delete(connection);
    this.stop();
  }

  /** The server that was found is good: when it is lost, the next search begins at once. */
  succeeded(): void {
    this.#inVain = undefined;
  }

  stop(): void {
    clearTimeout(this.#beside);
    clearTimeout(this.#again);
    this.#beside = this.#again = this.#asked = undefined;
    this.#ready = [];
    for (const connection of this.#underWay.keys()) connection.end();
    this.#underWay.clear();
  }

  #try(): void {
    clearTimeout(this.#again);
    this.#again = undefined;
    const most = Math.min(MOST_ATTEMPTS, this.#settings.servers());
    if (this.#underWay.size >= most) return; // whichever fails makes room
    const { dial, now, random } = this.#settings;
    const busy = new Set([...this.#underWay.keys()].map(({ server }) => serverName(server)));
    this.#underWay.set(
      dial((server) => busy.has(serverName(server))),
      now(),
    );
    if (this.#asked !== undefined) return;
    clearTimeout(this.#beside);
    if (this.#underWay.size < most) this.#giveHeadStart(headStart(this.#underWay.size, this.#usual, random));
  }

  #ask(connection: Connection): void {
    this.#asked = connection;
    this.#giveHeadStart(askedHeadStart(this.#settings.timeout(), this.#settings.random));
    connection.ask();
  }

  #giveHeadStart(ms: number): void {
    clearTimeout(this.#beside);
    this.#beside = setTimeout(() => this.#overtake(), ms);
  }

  /** The head start is over: the next that is ready is asked, or another is dialed. */
  #overtake(): void {
    this.#asked = undefined;
    const next = this.#ready.shift();
    if (next !== undefined) this.#ask(next);
    else this.#try();
  }

  #drop(connection: Connection): void {
    this.#underWay.delete(connection);
    this.#ready = this.#ready.filter((each) => each !== connection);
    if (connection !== this.#asked) return;
    this.#asked = undefined;
    clearTimeout(this.#beside);
    const next = this.#ready.shift();
    if (next !== undefined) this.#ask(next);
  }

  #pause(): void {
    if (this.#asked === undefined) clearTimeout(this.#beside);
    if (this.#again !== undefined) return;
    this.#again = setTimeout(() => this.#try(), pauseAfter(this.#searching, this.#settings.random));
  }

  /** ms without a good server, those with one in between left out. */
  get #searching(): number {
    return (this.#inVain ?? 0) + this.#settings.now() - this.#began;
  }
}
