import { hostname } from 'node:os';
import type { Settings } from '@quorate/agent';
import type { AuditRecord } from '@quorate/model';
import type { Store } from '@quorate/store';
import { authorOf, openNamed } from './context.ts';

/** What a command did, beside who, where and when, which is the same for all. */
export type Deed = Pick<AuditRecord, 'action' | 'what'> &
  Partial<Pick<AuditRecord, 'bundle' | 'release' | 'message' | 'result' | 'detail'>> & {
    readonly author?: string | undefined;
  };

/** Notes in the store's log what was done. It is done: where the log cannot be written, that is told and no more. */
export async function noteDeed(store: Store, { author, ...deed }: Deed): Promise<void> {
  const record: AuditRecord = {
    ...deed,
    author: authorOf(author),
    host: hostname(),
    result: deed.result ?? 'done',
    time: new Date().toISOString(),
  };
  await store
    .note(record)
    .catch((error: Error) => process.stderr.write(`! this is missing in the audit log: ${error.message}\n`));
}

/** ms for which a store is looked for by a command that needs none */
const PATIENCE_MS = 5000;

/** As above, for a command that does its work without the store. */
export async function noteAlone(settings: Settings, deed: Deed): Promise<void> {
  if (!settings.store) return;
  try {
    await using store = await openNamed(settings, PATIENCE_MS);
    await noteDeed(store, deed);
  } catch (error) {
    process.stderr.write(`! this is missing in the audit log: ${(error as Error).message}\n`);
  }
}
