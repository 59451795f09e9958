import { hostname } from 'node:os';
import { type AuditEntry, type AuditRecord, decodeAudit, type Release } from '@quorate/model';
import type { Latest, PublicationOptions, Store } from './store.ts';

/** Records that stay, the newest; a few more until somebody who may clears them away. */
export const AUDIT_KEPT = 10_000;

/** Which records to read: the newest, and only those after a number. */
export interface AuditRange {
  readonly most: number;
  readonly after?: number;
}

/** What the log says of a release that was published. */
export function publishedRecord({ bundle, number, author, message, rollbackOf, time }: Release): AuditRecord {
  return {
    action: rollbackOf === undefined ? 'publish' : 'rollback',
    what: `${bundle} release ${number}${rollbackOf === undefined ? '' : `, as release ${rollbackOf}`}`,
    bundle,
    release: number,
    author,
    host: hostname(),
    ...(message ? { message } : {}),
    result: 'done',
    time,
  };
}

/** Adds a publication to the log. It stands: that the log of it could not be written takes nothing from it. */
export async function notePublished(
  store: Pick<Store, 'note'>,
  { release }: Latest,
  options: PublicationOptions,
): Promise<void> {
  if (!options.archived) await store.note(publishedRecord(release), options).catch(() => undefined);
}

/** A record that cannot be read hides no other. */
export function auditEntry(number: number, bytes: Uint8Array | string): AuditEntry {
  try {
    return { number, ...decodeAudit(bytes) };
  } catch (error) {
    const unknown = { action: 'unknown', what: 'a record that cannot be read', author: '', host: '', time: '' };
    return { number, ...unknown, result: 'failed', detail: (error as Error).message };
  }
}
