import * as v from 'valibot';
import { decodeRecord, encodeRecord, positive } from './codec.ts';

export const AUDIT_FORMAT = 1;

/** One thing that was done to a cluster, or refused. */
export interface AuditRecord {
  /** `publish`, `rollback`, `tag`, `token`, `ensemble set` …: what was asked for, as the command calls it */
  readonly action: string;
  /** what it was done to, in words: `web release 12`, `instance web-3` */
  readonly what: string;
  readonly bundle?: string;
  readonly release?: number;
  /** who, as they name themselves */
  readonly author: string;
  /** whose certificate the store was opened with, where it was: `publisher:web ci`. As the client says; its kind is what the store let it be */
  readonly certificate?: string;
  /** the machine that it was done from */
  readonly host: string;
  /** why */
  readonly message?: string;
  readonly result: 'done' | 'refused' | 'failed';
  /** why it was refused, or what went wrong */
  readonly detail?: string;
  /** the author's wall clock, ISO 8601: shown, never compared */
  readonly time: string;
}

/** A record with its place in the log: later ones have greater numbers, not always without gaps. */
export interface AuditEntry extends AuditRecord {
  readonly number: number;
}

/** Characters of a message or a detail that are kept: with them a record has some 5 KB at most. */
const WORDS_MOST = 1000;

const AuditSchema = v.object({
  format: positive,
  action: v.string(),
  what: v.string(),
  bundle: v.optional(v.string()),
  release: v.optional(positive),
  author: v.string(),
  certificate: v.optional(v.string()),
  host: v.string(),
  message: v.optional(v.string()),
  result: v.picklist(['done', 'refused', 'failed']),
  detail: v.optional(v.string()),
  time: v.string(),
});

export function encodeAudit({ message, detail, author, ...rest }: AuditRecord): Buffer {
  const cut = (text: string): string => (text.length > WORDS_MOST ? `${text.slice(0, WORDS_MOST)}…` : text);
  return encodeRecord({
    format: AUDIT_FORMAT,
    ...rest,
    author: cut(author),
    ...(message ? { message: cut(message) } : {}),
    ...(detail ? { detail: cut(detail) } : {}),
  });
}

/** @throws ModelError BAD_RECORD or NEWER_FORMAT */
export function decodeAudit(bytes: Uint8Array | string): AuditRecord {
  const { format: _, ...record } = decodeRecord('the record of the audit log', AUDIT_FORMAT, AuditSchema, bytes);
  return record;
}
