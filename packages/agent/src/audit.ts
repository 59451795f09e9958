import { hostname } from 'node:os';
import type { AuditRecord } from '@quorate/model';
import type { Store } from '@quorate/store';

/** What an instance did by itself. */
export type OwnDeed = Pick<AuditRecord, 'action' | 'what'> & { readonly instance: string };

/** Notes in the store's log what an instance did. It is done: where the log cannot be written, that is logged here and no more. */
export async function noteOwnDeed(
  store: Store | Promise<Store>,
  { instance: author, ...deed }: OwnDeed,
  log: (line: string) => void,
): Promise<void> {
  try {
    const time = new Date().toISOString();
    await (await store).note({ ...deed, author, host: hostname(), result: 'done', time });
  } catch (error) {
    log(`warn  "${deed.what}" is missing in the audit log: ${(error as Error).message}`);
  }
}
