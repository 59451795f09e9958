import { type ArchiveRecord, type ArchiveSettings, archiveLag, isOpen } from '@quorate/model';
import type { CallOptions, Store } from '@quorate/store';

/** How the archive behind an ensemble stands, as far as the ensemble knows. */
export interface ArchiveState extends ArchiveSettings {
  /** whether publishers are let in: not before the archive was read after a founding */
  readonly open: boolean;
  /** releases that it lacks */
  readonly behind: number;
  readonly trouble?: string;
  readonly faults?: ArchiveRecord['faults'];
  /** since when it is in trouble, ISO 8601, by the clock of who saw it first: shown, never compared */
  readonly since?: string;
}

/** @returns undefined where the store's ensemble has none */
export async function archiveState(store: Store, options: CallOptions = {}): Promise<ArchiveState | undefined> {
  const { ensemble } = store;
  const cluster = await ensemble?.cluster(options);
  const settings = cluster?.settings.archive;
  if (!ensemble || !cluster || !settings) return undefined;
  const record = await ensemble.archive(options); // before the heads: what is published in between is behind
  const heads: Record<string, number> = {};
  for (const bundle of await store.bundles(options))
    heads[bundle] = (await store.latest(bundle, options))?.head.release ?? 0;
  const { trouble, faults, since } = record?.to === settings.to ? record : ({} as Partial<ArchiveRecord>);
  return {
    ...settings,
    open: isOpen(cluster),
    behind: archiveLag(heads, cluster, record),
    ...(trouble ? { trouble } : {}),
    ...(faults ? { faults } : {}),
    ...(since ? { since } : {}),
  };
}
