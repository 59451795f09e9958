import type { BlobRef, Release } from '@quorate/model';
import { StoreError } from './errors.ts';
import type { Store } from './store.ts';

/** Finds which blobs releases use. Releases share most of their pages: each page is read once. */
export class Marking {
  readonly #store: Store;
  readonly #pages = new Map<string, Promise<string[]>>();

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * The hashes of a release's pages and contents.
   * @returns nothing for a release that another collector, which keeps fewer, has removed meanwhile
   */
  async usedBy(release: Release): Promise<string[]> {
    try {
      const contents = await Promise.all(release.pages.map((page) => this.#contentsOf(page)));
      return [...release.pages.map(({ sha256 }) => sha256), ...contents.flat()];
    } catch (error) {
      const gone = error instanceof StoreError && error.code === 'NOT_FOUND';
      if (gone && !(await this.#store.release(release.bundle, release.number))) return [];
      throw error;
    }
  }

  #contentsOf(page: Release['pages'][number]): Promise<string[]> {
    const known = this.#pages.get(page.sha256);
    if (known) return known;
    const reading = this.#store.blob(page).then((bytes) => contentsIn(bytes).map(({ sha256 }) => sha256));
    reading.catch(() => this.#pages.delete(page.sha256)); // told to whoever waits for it; the next one reads again
    this.#pages.set(page.sha256, reading);
    return reading;
  }
}

/**
 * Contents that one page of a manifest names. The page was verified against its hash.
 * @throws StoreError CORRUPT
 */
export function contentsIn(page: Buffer): BlobRef[] {
  try {
    const entries = JSON.parse(page.toString('utf8')) as Partial<BlobRef>[];
    return entries.flatMap(({ sha256, size }) => (sha256 === undefined ? [] : [{ sha256, size: size! }]));
  } catch (cause) {
    throw new StoreError('CORRUPT', 'a page of a manifest cannot be read: no Quorate wrote it', { cause });
  }
}
