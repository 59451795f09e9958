import { checkFormat, FORMAT_RECORD } from '../format.ts';
import type { CallOptions } from '../store.ts';
import { FORMAT } from './keys.ts';
import type { ConditionalObjects } from './objects.ts';

/** The record `format` of a store, and whether this S3 can hold one. */
export class Root {
  readonly #objects: ConditionalObjects;
  /** its format was read: the store is there */
  #known = false;
  #suits = false;

  constructor(objects: ConditionalObjects) {
    this.#objects = objects;
  }

  /** Does nothing while nothing is published yet. @throws StoreError NEWER_FORMAT, CORRUPT */
  async checkFormat(options: CallOptions): Promise<void> {
    if (this.#known) return;
    const read = await this.#objects.get(FORMAT, options);
    if (!read) return;
    checkFormat(this.#objects.url, read.bytes.toString('utf8'));
    this.#known = true;
  }

  /** Makes the store where there is none, and sees for itself that conditions are kept. @throws StoreError UNSUITABLE */
  async prepare(options: CallOptions): Promise<void> {
    if (this.#suits) return;
    await this.#objects.checkConditions(FORMAT, Buffer.from(FORMAT_RECORD), options);
    await this.checkFormat(options);
    this.#suits = true;
  }
}
