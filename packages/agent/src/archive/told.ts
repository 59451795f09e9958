import {
  type Archived,
  type ArchiveRecord,
  type ArchiveSettings,
  type ClusterRecord,
  ENSEMBLE_FORMAT,
} from '@quorate/model';
import type { Ensemble, Latest } from '@quorate/store';

export interface ToldOptions {
  readonly ensemble: Ensemble;
  readonly instance: string;
  readonly log: (line: string) => void;
}

/** How the archive stands, as the ensemble's record and the log tell it: each change once. */
export class Told {
  readonly #options: ToldOptions;
  /** bundles that cannot be archived, and why */
  readonly faults = new Map<string, string>();
  #record = '';
  #line = '';

  constructor(options: ToldOptions) {
    this.#options = options;
  }

  /** @param heads what the archive is known to have; of other bundles what the record has of this archive stays */
  async record(
    { generation }: ClusterRecord,
    { to }: ArchiveSettings,
    { heads, trouble }: { readonly heads: ReadonlyMap<string, Latest>; readonly trouble?: string | undefined },
    signal: AbortSignal,
  ): Promise<void> {
    const { ensemble, instance } = this.#options;
    const before = await ensemble.archive({ signal });
    const known = before?.to === to ? before : undefined;
    const held = new Map<string, Archived>((known?.bundles ?? []).map((one) => [one.bundle, one]));
    for (const [bundle, { release }] of heads) held.set(bundle, { bundle, release: release.number, id: release.id });
    const faults = [...this.faults].map(([bundle, reason]) => ({ bundle, reason }));
    const isSound = trouble === undefined && faults.length === 0;
    const record: ArchiveRecord = {
      format: ENSEMBLE_FORMAT,
      by: instance,
      generation,
      to,
      bundles: [...held.values()],
      ...(trouble ? { trouble } : {}),
      ...(faults.length > 0 ? { faults } : {}),
      ...(isSound ? {} : { since: known?.since ?? new Date().toISOString() }),
    };
    const text = JSON.stringify(record);
    if (text === this.#record && before) return;
    await ensemble.tellArchive(record, { signal });
    this.#record = text;
  }

  /** A line for the log when something else is to be said. */
  say({ to }: ArchiveSettings, trouble: string | undefined): void {
    const faults = [...this.faults].map(([bundle, reason]) => `${bundle}: ${reason}`);
    const text = trouble ?? faults.join('; ');
    if (text === this.#line) return;
    this.#line = text;
    const { log } = this.#options;
    if (text) log(`warn  archive: ${text}`);
    else log(`info  archive: ${to} has every release again`);
  }
}
