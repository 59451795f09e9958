import { join } from 'node:path';
import { decodeTags, encodeTags, type Tag } from '@quorate/model';
import { recordError } from '../format.ts';
import type { VersionedTags } from '../store.ts';
import { makeFolder } from './durable.ts';
import { NumberedFiles } from './numbered.ts';

/** The tags of one bundle: the newest of numbered files. */
export class Tags {
  readonly #files: NumberedFiles;

  constructor(root: string, bundle: string) {
    this.#files = new NumberedFiles(join(root, 'bundles', bundle, 'tags'));
  }

  async read(): Promise<VersionedTags> {
    const newest = await this.#files.newest();
    if (!newest) return { tags: [] };
    try {
      return { tags: decodeTags(newest.text), version: String(newest.number) };
    } catch (error) {
      const path = this.#files.path(newest.number);
      throw recordError(path, error) ?? error;
    }
  }

  /** Clears away old states, and what writers who died left. */
  prune(): Promise<void> {
    return this.#files.prune();
  }

  async replace(tags: readonly Tag[], version: string | undefined): Promise<boolean> {
    if (version === undefined) await makeFolder(this.#files.folder);
    const replaced = await this.#files.add(Number(version ?? 0), encodeTags(tags));
    if (replaced) await this.#files.prune();
    return replaced;
  }
}
