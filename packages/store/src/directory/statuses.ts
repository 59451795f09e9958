import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { comparePaths, decodeStatus, encodeStatus, type InstanceStatus } from '@quorate/model';
import { taken } from '../errors.ts';
import { recordError } from '../format.ts';
import { lookAgain, makeFolder, namesIn, removeUnfinished, replaceFile } from './durable.ts';

/** What instances tell about themselves: files that stay until they are forgotten. */
export class Statuses {
  readonly #folder: string;
  /** what this process wrote last, by id */
  readonly #shown = new Map<string, Buffer>();

  constructor(root: string) {
    this.#folder = join(root, 'instances');
  }

  /** @throws StoreError TAKEN */
  async show(status: InstanceStatus): Promise<void> {
    await makeFolder(this.#folder);
    const path = this.#path(status.id);
    const before = this.#shown.get(status.id);
    const there = before && (await lookAgain(path, () => readFile(path)));
    if (there && !there.equals(before)) throw taken(status.id);
    const bytes = encodeStatus(status);
    await replaceFile(path, bytes);
    this.#shown.set(status.id, bytes);
  }

  async all(): Promise<InstanceStatus[]> {
    const found: InstanceStatus[] = [];
    for (const name of await namesIn(this.#folder)) {
      if (name.startsWith('.')) continue;
      const status = await read(join(this.#folder, name));
      if (status) found.push(status); // else it was forgotten in between
    }
    return found.sort((a, b) => comparePaths(a.id, b.id));
  }

  forget(instance: string): Promise<void> {
    this.#shown.delete(instance);
    return rm(this.#path(instance), { force: true });
  }

  removeUnfinished(): Promise<void> {
    return removeUnfinished(this.#folder);
  }

  #path(id: string): string {
    return join(this.#folder, encodeURIComponent(id).replace(/^\./, '%2E'));
  }
}

async function read(path: string): Promise<InstanceStatus | undefined> {
  const bytes = await lookAgain(path, () => readFile(path));
  if (!bytes) return undefined;
  try {
    return decodeStatus(bytes);
  } catch (error) {
    throw recordError(path, error) ?? error;
  }
}
