import { stat } from 'node:fs/promises';
import { connect } from 'node:tls';
import { plainAddress, TrustFolder, trustPaths } from '../trust/index.ts';

/** ms in which a port of this machine shows its certificate, or tells nothing */
const ANSWER_MS = 5000;
/** ms between two looks at the ports: each leaves a line in the member's log */
const LOOK_MS = 5000;

/** Where a member shows its certificate: to its clients, and to the other members. */
export interface CertificatePorts {
  readonly address: string;
  readonly client: number;
  readonly election: number;
}

/** A certificate that a member should show, by its fingerprint, and since when it does not. */
export interface MissingCertificate {
  readonly fingerprint: string;
  /** ms of the monotonic clock */
  readonly since: number;
}

/** Looks whether a member shows the certificate that lies in its folder: it takes a newer one by itself, but only while it has file watchers. */
export class ShownCertificate {
  readonly #folder: string;
  readonly #ports: CertificatePorts;
  /** what the folder holds, known by its file's number and time */
  #own = { file: '', fingerprint: '' };
  /** the last one that was seen on all ports */
  #proved = '';
  #missing: MissingCertificate | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** @param folder the trust folder's path */
  constructor(folder: string, ports: CertificatePorts) {
    this.#folder = folder;
    this.#ports = ports;
  }

  /**
   * Undefined while it shows what it should, or nobody can tell. The ports are asked only after the file or the member's process has changed.
   * @param now ms of the monotonic clock
   * @throws AgentError NOT_TRUSTED when the folder is damaged
   */
  async missing(now: number): Promise<MissingCertificate | undefined> {
    const fingerprint = await this.#fingerprint();
    if (fingerprint === this.#proved) return undefined;
    if (this.#missing?.fingerprint !== fingerprint) this.#missing = { fingerprint, since: now };
    if (now - this.#lookedAt < LOOK_MS) return this.#missing;
    this.#lookedAt = now;
    const tls = TrustFolder.open(this.#folder).tls();
    const { address, client, election } = this.#ports;
    const shown = await Promise.all([client, election].map((port) => shownOn(plainAddress(address), port, tls)));
    if (shown.includes(undefined)) this.#missing = undefined;
    else if (shown.every((one) => one === fingerprint)) this.#proved = fingerprint;
    return this.#proved === fingerprint ? undefined : this.#missing;
  }

  /** The member was started anew: what it shows has to be seen again. */
  started(): void {
    this.#proved = '';
    this.#missing = undefined;
  }

  async #fingerprint(): Promise<string> {
    const { ino, mtimeMs } = await stat(trustPaths(this.#folder).member);
    const file = `${ino} ${mtimeMs}`;
    if (file !== this.#own.file)
      this.#own = { file, fingerprint: TrustFolder.open(this.#folder).identity().certificate.fingerprint256 };
    return this.#own.fingerprint;
  }
}

/**
 * SHA-256 of the certificate that a port shows; `none` where there is no handshake to be had, as by one whose key is another's; undefined
 * where nobody answers.
 */
function shownOn(
  host: string,
  port: number,
  tls: ReturnType<TrustFolder['tls']>,
): Promise<string | 'none' | undefined> {
  return new Promise((resolve) => {
    // only looked at: nothing is told to whoever answers, and it may be one that has ended
    const socket = connect({ host, port, ...tls, rejectUnauthorized: false, timeout: ANSWER_MS });
    const end = (shown: string | undefined): void => {
      socket.destroy();
      resolve(shown);
    };
    socket.once('secureConnect', () => end(socket.getPeerX509Certificate()?.fingerprint256));
    socket.once('timeout', () => end(undefined));
    socket.once('error', ({ code = '' }: NodeJS.ErrnoException) =>
      end(code.startsWith('ERR_SSL') ? 'none' : undefined),
    );
  });
}
