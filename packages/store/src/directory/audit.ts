import { join } from 'node:path';
import { type AuditEntry, type AuditRecord, encodeAudit } from '@quorate/model';
import { AUDIT_KEPT, type AuditRange, auditEntry } from '../audit.ts';
import { StoreError } from '../errors.ts';
import { makeFolder } from './durable.ts';
import { NumberedFiles } from './numbered.ts';

/** Others that may add a record in between. */
const ROUNDS = 100;
/** Records between two times of clearing away. */
const TRIM_EVERY = 100;

/** The audit log of a store: numbered files, each one record. */
export class AuditFiles {
  readonly #files: NumberedFiles;

  constructor(root: string) {
    this.#files = new NumberedFiles(join(root, 'audit'), AUDIT_KEPT);
  }

  async add(record: AuditRecord): Promise<void> {
    await makeFolder(this.#files.folder);
    const bytes = encodeAudit(record);
    for (let round = 0; round < ROUNDS; round++) {
      const number = (await this.#files.numbers()).at(-1) ?? 0;
      if (!(await this.#files.add(number, bytes))) continue;
      if (number % TRIM_EVERY === 0) await this.#files.prune();
      return;
    }
    throw new StoreError('CONFLICT', 'others added to the audit log again and again: try again');
  }

  /** Clears away what is beyond the bound, and what writers who died left. */
  prune(): Promise<void> {
    return this.#files.prune();
  }

  async read({ most, after = 0 }: AuditRange): Promise<AuditEntry[]> {
    const numbers = (await this.#files.numbers()).filter((number) => number > after).slice(-most);
    const texts = await Promise.all(numbers.map((number) => this.#files.read(number)));
    return numbers.flatMap((number, at) => (texts[at] === undefined ? [] : [auditEntry(number, texts[at])]));
  }
}
