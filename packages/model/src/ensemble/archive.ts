import * as v from 'valibot';
import { decodeRecord, positive } from '../codec.ts';
import { ENSEMBLE_FORMAT } from './format.ts';
import type { ClusterRecord, ClusterSettings } from './records.ts';

/** A store behind the ensemble that gets every release: what the loss of all instances leaves. */
export interface ArchiveSettings {
  /** the store's URL, the same for every instance */
  readonly to: string;
  /** when a publish is acknowledged: as soon as a majority of the voters has it, or only when the archive has it too */
  readonly durability: 'quorum' | 'archive';
}

/** One bundle's newest release that the archive has, with all before it that the ensemble keeps. */
export interface Archived {
  readonly bundle: string;
  readonly release: number;
  /** the release's own id: numbers alone do not tell two lines apart */
  readonly id: string;
}

/** `ensemble/archive`: how the archive stands, as whoever leads has last seen it. */
export interface ArchiveRecord {
  readonly format: number;
  /** who copies */
  readonly by: string;
  /** in which it was written: of another one it says nothing of what is acknowledged now */
  readonly generation: number;
  /** the archive that it is about */
  readonly to: string;
  readonly bundles: readonly Archived[];
  /** why the last attempt failed, in words */
  readonly trouble?: string;
  /** bundles that cannot be archived, each with why: the lines have parted, or content is damaged */
  readonly faults?: readonly { readonly bundle: string; readonly reason: string }[];
  /** since when there is trouble or a fault: the wall clock of who saw it first, ISO 8601: shown, never compared */
  readonly since?: string;
}

/** A bundle's line in a store, as far as a comparison with the other one's needs it. */
export interface LineSeen {
  readonly newest: number;
  /** down to this one it has no gap */
  readonly oldest: number;
  /** the id of its release at the newest number that both lines reach; undefined where it is kept no more */
  readonly met: string | undefined;
}

/** What is to be done about one bundle. */
export type ArchiveStep =
  | { readonly kind: 'level' }
  /** releases that the archive lacks, from the oldest up: what it has is then always the line up to somewhere */
  | { readonly kind: 'copy'; readonly from: number; readonly to: number }
  /** the ensemble's history reaches further down, as after a restore: older releases follow downwards */
  | { readonly kind: 'deepen' }
  /** the ensemble lacks what the archive has, at the top or further down: published again, the newest first */
  | { readonly kind: 'refill' }
  /** both have a release of one number that is not the same, or whether they do cannot be told: nothing is written */
  | { readonly kind: 'forked'; readonly reason: string };

/**
 * What is to be done so that ensemble and archive hold the same line of a bundle. Pure.
 * @param isOpen whether publishers are let in already: from then on the archive follows, and only follows
 */
export function planArchive(
  ensemble: LineSeen | undefined,
  archive: LineSeen | undefined,
  { isOpen }: { readonly isOpen: boolean },
): ArchiveStep {
  if (!archive) return ensemble ? { kind: 'copy', from: ensemble.oldest, to: ensemble.newest } : { kind: 'level' };
  if (!ensemble) return isOpen ? forked(ahead(archive.newest, 0)) : { kind: 'refill' };
  const meeting = Math.min(ensemble.newest, archive.newest);
  if (ensemble.met === undefined || archive.met === undefined)
    return forked(
      `the ensemble is at release ${ensemble.newest} and the archive at ${archive.newest}, and release ${meeting} is not kept ${ensemble.met === undefined ? 'here' : 'there'}: whether they are one line cannot be told`,
    );
  if (ensemble.met !== archive.met) return forked(`release ${meeting} is another one in the archive`);
  const isAhead = archive.newest > ensemble.newest;
  if (isOpen && isAhead) return forked(ahead(archive.newest, ensemble.newest));
  // its history, too: who has brought it back before may have been interrupted
  if (!isOpen && (isAhead || archive.oldest < ensemble.oldest)) return { kind: 'refill' };
  if (archive.newest < ensemble.newest)
    return { kind: 'copy', from: Math.max(archive.newest + 1, ensemble.oldest), to: ensemble.newest };
  return ensemble.oldest < archive.oldest ? { kind: 'deepen' } : { kind: 'level' };
}

const forked = (reason: string): ArchiveStep => ({ kind: 'forked', reason });
const ahead = (archive: number, ensemble: number): string =>
  `the archive is at release ${archive}, further than the ensemble at ${ensemble}: somebody else writes to it`;

/** Whether publishers are let in: after each founding whoever leads has read the archive first. */
export function isOpen({ generation, settings, archiveRead }: ClusterRecord): boolean {
  return settings.archive === undefined || archiveRead === generation;
}

/** The cluster's record after its settings were changed. An ensemble that publishers are let in to stays so; without an archive they are. */
export function adjusted(before: ClusterRecord, change: Partial<ClusterSettings>): ClusterRecord {
  const { archiveRead, ...record } = before;
  const settings = { ...record.settings, ...change };
  if (!settings.archive) return { ...record, settings };
  const read = isOpen(before) ? before.generation : archiveRead;
  return { ...record, settings, ...(read === undefined ? {} : { archiveRead: read }) };
}

/** Whether the archive has a release, by the record of who copies. */
export function isArchived(
  release: { readonly bundle: string; readonly number: number; readonly id: string },
  { generation, settings }: ClusterRecord,
  record: ArchiveRecord | undefined,
): boolean {
  if (record?.generation !== generation || record.to !== settings.archive?.to) return false;
  const held = record.bundles.find(({ bundle }) => bundle === release.bundle);
  if (!held || held.release < release.number) return false;
  return held.release > release.number || held.id === release.id;
}

/** Releases that the archive lacks, all bundles together. @param heads newest release by bundle */
export function archiveLag(
  heads: Readonly<Record<string, number>>,
  { settings }: ClusterRecord,
  record: ArchiveRecord | undefined,
): number {
  const held = record?.to === settings.archive?.to ? (record?.bundles ?? []) : [];
  const at = new Map(held.map(({ bundle, release }) => [bundle, release]));
  return Object.entries(heads).reduce((sum, [bundle, head]) => sum + Math.max(0, head - (at.get(bundle) ?? 0)), 0);
}

const text = v.pipe(v.string(), v.nonEmpty());
export const ArchiveSchema = v.object({ to: text, durability: v.picklist(['quorum', 'archive']) });
const RecordSchema = v.object({
  format: v.number(),
  by: text,
  generation: positive,
  to: text,
  bundles: v.array(v.object({ bundle: text, release: positive, id: text })),
  trouble: v.optional(v.string()),
  faults: v.optional(v.array(v.object({ bundle: text, reason: v.string() }))),
  since: v.optional(v.string()),
});

/** @throws ModelError BAD_RECORD, NEWER_FORMAT */
export const decodeArchive = (bytes: Uint8Array | string): ArchiveRecord =>
  decodeRecord("the archive's record", ENSEMBLE_FORMAT, RecordSchema, bytes);
