import { decodeFounding, encodeFounding, type FoundingRecord } from '@quorate/model';
import { NumberedFiles } from '@quorate/store';
import { AgentError } from '../errors.ts';
import { unsharedBecause } from '../share.ts';
import type { Arbiter, Ruling } from './arbiter.ts';

/** The version before the first record. */
const NOTHING = '0';

/** A folder on a share that all instances mount: NFS, EFS, or a local disk where all instances are on one machine. */
export class FolderArbiter implements Arbiter {
  readonly kind = 'shared';
  readonly place: string;
  readonly #files: NumberedFiles;

  /** @param folder absolute; it is never made here, so that a share which is not mounted is no arbiter without a record */
  constructor(folder: string) {
    this.place = folder;
    this.#files = new NumberedFiles(folder);
  }

  async read(signal?: AbortSignal): Promise<Ruling> {
    return this.#call(signal, async () => {
      const newest = await this.#files.newest();
      if (!newest) return { record: undefined, version: NOTHING };
      await this.#files.settle();
      return { record: decodeFounding(newest.text), version: String(newest.number) };
    });
  }

  async claim(record: FoundingRecord, version: string, signal?: AbortSignal): Promise<boolean> {
    return this.#call(signal, async () => {
      const won = await this.#files.add(Number(version), encodeFounding(record));
      if (won) await this.#files.prune();
      return won;
    });
  }

  async #call<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    try {
      const fault = await unsharedBecause(this.place);
      if (fault) throw new AgentError('ARBITER_UNREACHABLE', `the arbiter ${this.place}: ${fault}`);
      return await work();
    } catch (cause) {
      if (cause instanceof AgentError) throw cause;
      const why = (cause as Error).message;
      throw new AgentError('ARBITER_UNREACHABLE', `the arbiter ${this.place}: ${why}`, { cause });
    }
  }
}
