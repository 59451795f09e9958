import { setTimeout as delay } from 'node:timers/promises';
import type { S3Server } from '../src/cloud/index.ts';

/** ms that S3 is away: longer than the 15 s for which one request is tried again */
const AWAY_MS = 30_000;

/** S3 goes away again and again, for a while each time: it refuses at the first time, says nothing at the second, and so on. */
export class Outages implements AsyncDisposable {
  readonly #s3: S3Server;
  readonly #tell: (line: string) => void;
  readonly #ended = new AbortController();
  #current: Promise<void> = Promise.resolve();
  #count = 0;

  constructor(s3: S3Server, tell: (line: string) => void) {
    this.#s3 = s3;
    this.#tell = tell;
  }

  /** S3 is away when this returns, and comes back by itself. One after the other: the last one is waited for. */
  async begin(): Promise<void> {
    await this.#current;
    const hangs = this.#count++ % 2 === 1;
    if (hangs) this.#s3.freeze();
    else await this.#s3.stop();
    this.#tell(`S3 ${hangs ? 'hangs' : 'is down'} for ${AWAY_MS / 1000} s`);
    this.#current = this.#comeBack(hangs);
    this.#current.catch(() => undefined); // whoever waits for it hears of it
  }

  /** S3 is there. */
  over(): Promise<void> {
    return this.#current;
  }

  async #comeBack(hangs: boolean): Promise<void> {
    await delay(AWAY_MS, undefined, { signal: this.#ended.signal }).catch(() => undefined); // it comes back at once
    if (hangs) this.#s3.thaw();
    else await this.#s3.startAgain();
    this.#tell('S3 is back');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#current;
  }
}
