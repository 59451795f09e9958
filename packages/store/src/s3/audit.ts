import { type AuditEntry, type AuditRecord, encodeAudit } from '@quorate/model';
import { AUDIT_KEPT, type AuditRange, auditEntry } from '../audit.ts';
import { StoreError } from '../errors.ts';
import { inLanes } from '../lanes.ts';
import type { CallOptions } from '../store.ts';
import { AUDIT } from './keys.ts';
import type { ConditionalObjects } from './objects.ts';

/** Others that may add a record in between. */
const ROUNDS = 100;
/** Records between two times of clearing away. */
const TRIM_EVERY = 100;
const LAST = 999_999_999_999;

/** Keys count down: a listing begins with the newest. */
const keyOf = (number: number): string => `${AUDIT}${String(LAST - number).padStart(12, '0')}`;

export async function addAudit(
  objects: ConditionalObjects,
  record: AuditRecord,
  options: CallOptions = {},
): Promise<void> {
  const bytes = encodeAudit(record);
  let number = (await numbers(objects, { most: 1 }, options))[0] ?? 0;
  for (let round = 0; round < ROUNDS; round++) {
    number++;
    if ((await objects.create(keyOf(number), bytes, options)) === undefined) continue; // somebody else has that number
    if (number % TRIM_EVERY === 0) await trim(objects, options);
    return;
  }
  throw new StoreError('CONFLICT', 'others added to the audit log again and again: try again');
}

export async function readAudit(
  objects: ConditionalObjects,
  range: AuditRange,
  options: CallOptions = {},
): Promise<AuditEntry[]> {
  const found = (await numbers(objects, range, options)).reverse();
  const read = await inLanes(found, (number) => objects.get(keyOf(number), options));
  return found.flatMap((number, at) => (read[at] ? [auditEntry(number, read[at].bytes)] : []));
}

/** Newest first. */
async function numbers(
  objects: ConditionalObjects,
  { most, after = 0 }: AuditRange,
  options: CallOptions,
): Promise<number[]> {
  const found: number[] = [];
  for await (const { key } of objects.list(AUDIT, options)) {
    const digits = key.slice(AUDIT.length);
    const number = /^\d{12}$/.test(digits) ? LAST - Number(digits) : 0;
    if (number <= after || found.length >= most) break;
    found.push(number);
  }
  return found;
}

async function trim(objects: ConditionalObjects, options: CallOptions): Promise<void> {
  const old = (await numbers(objects, { most: Number.POSITIVE_INFINITY }, options)).slice(AUDIT_KEPT);
  await inLanes(old, (number) => objects.delete(keyOf(number), options));
}
