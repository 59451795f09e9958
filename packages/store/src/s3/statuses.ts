import { comparePaths, decodeStatus, encodeStatus, type InstanceStatus } from '@quorate/model';
import { StoreError, taken } from '../errors.ts';
import { recordError } from '../format.ts';
import { inLanes } from '../lanes.ts';
import type { CallOptions } from '../store.ts';
import { INSTANCES, instanceKey } from './keys.ts';
import type { ConditionalObjects } from './objects.ts';

/** What this process has shown under an id. */
interface Shown {
  readonly etag: string;
  /** what was sent since without an answer: any of it may stand there */
  readonly sent: Buffer[];
}

/** What instances tell about themselves: objects that stay until they are forgotten. */
export class Statuses {
  readonly #objects: ConditionalObjects;
  readonly #shown = new Map<string, Shown>();

  constructor(objects: ConditionalObjects) {
    this.#objects = objects;
  }

  /** @throws StoreError TAKEN */
  async show(status: InstanceStatus, options: CallOptions): Promise<void> {
    const key = instanceKey(status.id);
    const bytes = encodeStatus(status);
    const before = this.#shown.get(status.id);
    if (!before) {
      this.#shown.set(status.id, { etag: await this.#objects.put(key, bytes, options), sent: [] });
      return;
    }
    before.sent.push(bytes);
    const etag =
      (await this.#replace(key, bytes, before.etag, options)) ?? (await this.#again(status.id, before, bytes, options));
    this.#shown.set(status.id, { etag, sent: [] });
  }

  async #replace(key: string, bytes: Buffer, etag: string, options: CallOptions): Promise<string | undefined> {
    try {
      return await this.#objects.replace(key, bytes, etag, options);
    } catch (error) {
      if (error instanceof StoreError && error.code === 'UNKNOWN_OUTCOME') return undefined; // looked at next
      throw error;
    }
  }

  /** Another tag is there, or none: it was forgotten, an earlier write of ours was done after all, or somebody has taken over. */
  async #again(id: string, { etag, sent }: Shown, bytes: Buffer, options: CallOptions): Promise<string> {
    const there = await this.#objects.get(instanceKey(id), options);
    const isOurs = there && (there.etag === etag || sent.some((each) => each.equals(there.bytes)));
    if (there && !isOurs) throw taken(id);
    return this.#objects.put(instanceKey(id), bytes, options);
  }

  async all(options: CallOptions): Promise<InstanceStatus[]> {
    const keys: string[] = [];
    for await (const { key } of this.#objects.list(INSTANCES, options)) keys.push(key);
    const found = await inLanes(keys, (key) => this.#read(key, options));
    return found.filter((status) => status !== undefined).sort((a, b) => comparePaths(a.id, b.id));
  }

  /** @returns undefined when it was forgotten in between */
  async #read(key: string, options: CallOptions): Promise<InstanceStatus | undefined> {
    const read = await this.#objects.get(key, options);
    try {
      return read && decodeStatus(read.bytes);
    } catch (error) {
      throw recordError(`${this.#objects.url}: ${key}`, error) ?? error;
    }
  }

  async forget(instance: string, options: CallOptions): Promise<void> {
    this.#shown.delete(instance);
    await this.#objects.delete(instanceKey(instance), options);
  }
}
