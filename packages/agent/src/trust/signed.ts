import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  decodeTaken,
  encodeTaken,
  judgeSigned,
  type Release,
  type TakenRelease,
  type TrustedKey,
} from '@quorate/model';
import { replaceDurable } from '../disk/durable.ts';
import { AgentError } from '../errors.ts';

/** Which releases of a bundle this instance takes, where it takes signed ones alone. What it has taken is remembered on its disk. */
export class SignedReleases {
  readonly #bundle: string;
  readonly #keys: readonly TrustedKey[];
  readonly #folder: string;

  /** @param state the state folder of the instance */
  constructor(state: string, bundle: string, keys: readonly TrustedKey[]) {
    this.#folder = join(state, 'signed');
    this.#bundle = bundle;
    this.#keys = keys;
  }

  /** Before a release is looked at in any other way. Nothing is remembered of it. @throws AgentError NOT_SIGNED, CORRUPT */
  check(release: Release): void {
    this.#admit(release, this.#mark());
  }

  /** Before a release is put in place: from now on nothing older is taken. @throws AgentError NOT_SIGNED, CORRUPT; what the disk says */
  take(release: Release): void {
    const before = this.#mark();
    const mark = this.#admit(release, before);
    if (mark === before) return;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    replaceDurable(this.#path, encodeTaken(mark).toString('utf8'), 0o600);
  }

  /** The line begins anew with whatever signed release comes next. @returns what was remembered */
  forget(): TakenRelease | undefined {
    const mark = this.#mark();
    rmSync(this.#path, { force: true });
    return mark;
  }

  get #path(): string {
    return join(this.#folder, `${this.#bundle}.json`);
  }

  #admit(release: Release, mark: TakenRelease | undefined): TakenRelease {
    const admission = judgeSigned(this.#bundle, release, this.#keys, mark);
    if (admission.ok) return admission.mark;
    throw new AgentError('NOT_SIGNED', admission.reason);
  }

  #mark(): TakenRelease | undefined {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined; // the first release here
      throw error;
    }
    try {
      return decodeTaken(text);
    } catch (cause) {
      throw new AgentError(
        'CORRUPT',
        `${this.#path} cannot be read: ${(cause as Error).message}; \`quorate key forget ${this.#bundle}\` begins anew`,
        { cause },
      );
    }
  }
}
