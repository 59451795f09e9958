import { randomUUID } from 'node:crypto';
import { comparePaths, isBundleName } from '@quorate/model';
import { StoreError } from '../errors.ts';
import type { CallOptions } from '../store.ts';
import { REGISTRY } from './keys.ts';
import type { ConditionalObjects, StoredObject } from './objects.ts';

/** Bundles that others may begin in between. */
const ROUNDS = 100;

/**
 * The names of all bundles that have ever begun, in one object: a collector must know them all, and a listing need not be of this moment on every S3.
 * It only grows, by a compare-and-set for each bundle's first release.
 */
export class Registry {
  readonly #objects: ConditionalObjects;
  #known: { readonly etag: string; readonly names: readonly string[] } | undefined;

  constructor(objects: ConditionalObjects) {
    this.#objects = objects;
  }

  /** In byte order. @throws StoreError CORRUPT */
  async names(options: CallOptions = {}): Promise<readonly string[]> {
    return (await this.#read(options))?.names ?? [];
  }

  async #read(options: CallOptions): Promise<{ readonly etag: string; readonly names: readonly string[] } | undefined> {
    const unlike = this.#known?.etag;
    const read = unlike
      ? await this.#objects.get(REGISTRY, { ...options, unlike })
      : await this.#objects.get(REGISTRY, options);
    if (read !== 'unchanged') this.#known = read && { etag: read.etag, names: this.#decode(read) };
    return this.#known;
  }

  #decode({ bytes }: StoredObject): string[] {
    try {
      const { bundles } = JSON.parse(bytes.toString('utf8')) as { bundles: string[] };
      return bundles.filter(isBundleName).sort(comparePaths);
    } catch (cause) {
      const message = `${this.#objects.url}: the object ${REGISTRY} cannot be read: somebody wrote to the store by hand`;
      throw new StoreError('CORRUPT', message, { cause });
    }
  }

  async add(bundle: string, options: CallOptions = {}): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      const known = await this.#read(options);
      if (known?.names.includes(bundle)) return;
      const bundles = [...(known?.names ?? []), bundle].sort(comparePaths);
      const bytes = Buffer.from(`${JSON.stringify({ bundles, mark: randomUUID() })}\n`);
      try {
        if (known) await this.#objects.replace(REGISTRY, bytes, known.etag);
        else await this.#objects.create(REGISTRY, bytes);
      } catch (error) {
        // whether it was done is seen in the next round
        if (!(error instanceof StoreError && error.code === 'UNKNOWN_OUTCOME')) throw error;
      }
    }
    throw new StoreError('CONFLICT', 'other bundles were begun again and again: try again at a calmer time');
  }
}
