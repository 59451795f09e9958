import type { Connection } from './connection.ts';
import { ZooKeeperError } from './errors.ts';

interface Entry {
  readonly scheme: string;
  readonly auth: Uint8Array;
  readonly accepted?: () => void;
  readonly failed?: (error: unknown) => void;
}

/** What this session authenticates with, on every connection anew. */
export class Authentications {
  readonly #entries: Entry[];
  readonly #refused: (error: ZooKeeperError) => void;
  /** Resolves when those that were given at first are accepted. */
  readonly initial: Promise<unknown>;

  /** `refused` is told when a server does not accept one of them. */
  constructor(given: readonly { scheme: string; auth: Uint8Array }[], refused: (error: ZooKeeperError) => void) {
    this.#entries = [];
    this.#refused = refused;
    this.initial = Promise.all(given.map(({ scheme, auth }) => this.add(scheme, auth, undefined)));
    this.initial.catch(() => {
      // Told to whoever waits for it, and by the end of the session.
    });
  }

  /** Resolves when a server has accepted it; `connection` is the one to ask now, if there is one. */
  add(scheme: string, auth: Uint8Array, connection: Connection | undefined): Promise<void> {
    return new Promise((accepted, failed) => {
      const entry = { scheme, auth, accepted, failed };
      this.#entries.push(entry);
      if (connection !== undefined) this.#send(connection, entry);
    });
  }

  sendAll(connection: Connection): void {
    for (const entry of this.#entries) this.#send(connection, entry);
  }

  #send(connection: Connection, entry: Entry): void {
    connection.sendAuth(entry.scheme, entry.auth, (error) => {
      if (error === 0) {
        entry.accepted?.();
        return;
      }
      const message = `the server refused the authentication by ${entry.scheme}; the session has ended`;
      this.#refused(new ZooKeeperError('AUTH_FAILED', message, { operation: 'addAuth' }));
    });
  }

  /** The session has ended: nothing will be accepted any more. */
  end(error: ZooKeeperError): void {
    for (const entry of this.#entries) entry.failed?.(error);
  }
}
