import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FoundingRecord } from '@quorate/model';
import type { Arbiter, Ruling } from './arbiter.ts';
import { FolderArbiter } from './folder.ts';

/**
 * No arbiter is set: the operator's word on this machine stands for it, kept in `STATE/founding/`. What `init` or `recover` permits here may
 * be founded here; on all other machines there is no record, and nothing is claimed.
 */
export class StaticArbiter implements Arbiter {
  readonly kind = 'static';
  readonly place: string;
  readonly #folder: FolderArbiter;

  /** @param state the agent's state folder */
  constructor(state: string) {
    this.place = join(state, 'founding');
    this.#folder = new FolderArbiter(this.place);
  }

  async read(signal?: AbortSignal): Promise<Ruling> {
    await mkdir(this.place, { recursive: true, mode: 0o700 });
    return this.#folder.read(signal);
  }

  /** Only the end of what the operator began: `founding` becomes `founded`, once. */
  async claim(record: FoundingRecord, version: string, signal?: AbortSignal): Promise<boolean> {
    const { record: permitted } = await this.read(signal);
    const isItsEnd =
      permitted?.state === 'founding' &&
      record.state === 'founded' &&
      record.generation === permitted.generation &&
      record.founder.incarnation === permitted.founder.incarnation;
    return isItsEnd && this.#folder.claim(record, version, signal);
  }

  /**
   * The operator's word that this machine may found.
   * @returns false when another word was given at the same time
   * @throws AgentError ARBITER_UNREACHABLE when the state folder cannot be used
   */
  async permit(record: FoundingRecord): Promise<boolean> {
    const { version } = await this.read();
    return this.#folder.claim(record, version);
  }
}
