import type { Connection } from './connection.ts';
import { headStart, MOST_ATTEMPTS, pauseAfter } from './patience.ts';
import { type Server, serverName } from './servers.ts';

export interface RaceSettings {
  /** Begins an attempt at a server that is not among the busy ones. */
  readonly dial: (busy: (server: Server) => boolean) => Connection;
  /** How many servers there are to try. */
  readonly servers: () => number;
  readonly random: () => number;
  /** ms that only move forward */
  readonly now: () => number;
}

/**
 * The search for a server that grants the session. A server has a head start; when it has not granted by then, another is tried beside it, and the first
 * that grants wins. So one that is gone, stopped or just starting costs the head start and no time-out.
 */
export class Race {
  readonly #settings: RaceSettings;
  readonly #underWay = new Set<Connection>();
  #began = 0;
  /** ms of the searches before this one whose server was not good after all. */
  #inVain: number | undefined;
  /** Due when the latest attempt has had its head start. */
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

  /** It is up to this server now: the session was asked of it. */
  asked(connection: Connection): void {
    if (!this.has(connection) || this.#beside === undefined) return;
    this.#giveHeadStart(true);
  }

  failed(connection: Connection): void {
    this.#underWay.delete(connection);
    this.#pause();
  }

  /** Another attempt at the same server takes the place of this one, which is over. */
  replace(connection: Connection, other: Connection): void {
    this.#underWay.delete(connection);
    this.#underWay.add(other);
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
    this.#clear();
    for (const connection of this.#underWay) connection.end();
    this.#underWay.clear();
  }

  #clear(): void {
    clearTimeout(this.#beside);
    clearTimeout(this.#again);
    this.#beside = this.#again = undefined;
  }

  #try(): void {
    this.#clear();
    const most = Math.min(MOST_ATTEMPTS, this.#settings.servers());
    if (this.#underWay.size >= most) return; // whichever fails makes room
    const busy = new Set([...this.#underWay].map(({ server }) => serverName(server)));
    this.#underWay.add(this.#settings.dial((server) => busy.has(serverName(server))));
    if (this.#underWay.size < most) this.#giveHeadStart(false);
  }

  #giveHeadStart(asked: boolean): void {
    clearTimeout(this.#beside);
    this.#beside = setTimeout(() => this.#try(), headStart(this.#underWay.size, asked, this.#settings.random));
  }

  #pause(): void {
    clearTimeout(this.#beside);
    this.#beside = undefined;
    if (this.#again !== undefined) return;
    this.#again = setTimeout(() => this.#try(), pauseAfter(this.#searching, this.#settings.random));
  }

  /** ms without a good server, those with one in between left out. */
  get #searching(): number {
    return (this.#inVain ?? 0) + this.#settings.now() - this.#began;
  }
}
