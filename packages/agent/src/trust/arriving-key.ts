import { createPrivateKey } from 'node:crypto';
import { mkdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { replaceDurable, syncFolder } from '../disk/durable.ts';
import { fileError } from '../disk/file-errors.ts';
import { makeKey } from './authority.ts';
import { arrivingFolder } from './folder.ts';

/**
 * The key that a machine joins with. It is kept where its trust folder is made while an answer may still come, so that the machine that asks again is
 * known for the same, also after a crash, and spends no other use of its token.
 */
export class ArrivingKey {
  /** PEM, PKCS #8 */
  readonly pem: string;
  readonly #place: string;
  /** The folder that was not there before, if any. */
  #made: string | undefined;

  /** @param folder the trust folder that is to be */
  constructor(folder: string) {
    this.#place = arrivingFolder(folder);
    this.pem = kept(join(this.#place, FILE)) ?? makeKey();
  }

  /** Before it is sent. @throws AgentError DISK_FULL and the like */
  keep(): void {
    try {
      this.#made ??= mkdirSync(dirname(this.#place), { recursive: true, mode: 0o755 });
      mkdirSync(this.#place, { recursive: true, mode: 0o700 });
      replaceDurable(join(this.#place, FILE), this.pem, 0o600);
      syncFolder(this.#place);
      syncFolder(dirname(this.#place));
    } catch (error) {
      throw fileError(`the key to join with cannot be kept in ${this.#place}`, error);
    }
  }

  /** It was refused: nothing is left of it. */
  forget(): void {
    rmSync(this.#place, { recursive: true, force: true });
    if (this.#made === undefined) return;
    for (let at = dirname(this.#place); at.length >= this.#made.length; at = dirname(at)) {
      try {
        rmdirSync(at);
      } catch {
        return; // something else is there by now
      }
    }
  }
}

const FILE = 'key.pem';

function kept(path: string): string | undefined {
  try {
    const pem = readFileSync(path, 'utf8');
    createPrivateKey(pem);
    return pem;
  } catch {
    return undefined; // there is none, or half of one: another is as good
  }
}
