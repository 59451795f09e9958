import type { SessionGrant, SessionRequest } from './protocol/records.ts';

const NO_PASSWORD = Buffer.alloc(16);

/** What a session is known by, and what the ensemble granted it. */
export class Credentials {
  #id: bigint;
  #password: Buffer;
  #timeout: number;
  /** The id is only good elsewhere when a server with a quorum gave it. */
  #writable: boolean;

  /** `timeout`, in ms, is what will be asked for. */
  constructor(known: { readonly id: bigint; readonly password: Uint8Array } | undefined, timeout: number) {
    this.#id = known?.id ?? 0n;
    this.#password = Buffer.from(known?.password ?? NO_PASSWORD);
    this.#timeout = timeout;
    this.#writable = known !== undefined;
  }

  get id(): bigint {
    return this.#id;
  }

  get password(): Buffer {
    return this.#password;
  }

  /** ms, as the server granted it */
  get timeout(): number {
    return this.#timeout;
  }

  /** Whether there is a session that servers with a quorum know. */
  get writable(): boolean {
    return this.#writable;
  }

  /** Asks for this session; for a new one as a stranger, or where no quorum knows this one. */
  request(zxid: bigint, timeout: number, readOnly: boolean, stranger: boolean): SessionRequest {
    if (this.#writable && !stranger) return { zxid, timeout, id: this.#id, password: this.#password, readOnly };
    return { zxid, timeout, id: 0n, password: NO_PASSWORD, readOnly };
  }

  /** A session of a server without a quorum is for the time being: one with a quorum must not be forgotten for it. */
  take(grant: SessionGrant): void {
    if (grant.readOnly && this.#writable) return;
    this.#writable = !grant.readOnly;
    this.#id = grant.id;
    this.#password = grant.password;
    this.#timeout = grant.timeout;
  }
}
