import { addTags, replaceAllTags, type Store } from '@quorate/store';

/** The tags of the ensemble's releases, in the archive: nobody tells of them, so they go along whenever they are seen to be others. */
export class ArchiveTags {
  readonly #store: Store;
  /** those that the archive was given, by bundle */
  readonly #given = new Map<string, string>();

  /** @param store of the fleet's own ensemble */
  constructor(store: Store) {
    this.#store = store;
  }

  /** To a bundle that the archive has. */
  async follow(archive: Store, bundle: string, signal: AbortSignal): Promise<void> {
    const { tags } = await this.#store.tags(bundle, { signal });
    const text = JSON.stringify(tags);
    if (this.#given.get(bundle) === text) return;
    await replaceAllTags(archive, bundle, tags, { signal });
    this.#given.set(bundle, text);
  }

  /** Releases that are there again get the tags that nobody has given otherwise since. */
  async refill(archive: Store, bundle: string, signal: AbortSignal): Promise<void> {
    const kept = new Set(await this.#store.releases(bundle, { signal }));
    const { tags } = await archive.tags(bundle, { signal });
    const back = tags.filter(({ release }) => kept.has(release));
    await addTags(this.#store, bundle, back, { signal });
  }

  /** What the archive has is to be seen again. */
  clear(): void {
    this.#given.clear();
  }
}
