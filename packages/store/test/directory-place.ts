import { mkdir, mkdtemp, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { openStore, type Store } from '../src/index.ts';
import type { StoredRecord, Subject } from './suite.ts';

/** A folder for a store, gone when disposed. */
export class DirectoryPlace implements Subject {
  readonly #outer: string;
  readonly folder: string;
  /** the folder as each machine has it mounted */
  readonly #views: readonly string[];
  #opened = 0;

  private constructor(outer: string, views: readonly string[]) {
    this.#outer = outer;
    this.folder = join(outer, 'store');
    this.#views = views.map((view) => join(view, 'store'));
  }

  static async make(): Promise<DirectoryPlace> {
    const outer = await mkdtemp(join(tmpdir(), 'quorate-store-'));
    return DirectoryPlace.#in(outer, [outer]);
  }

  /** A folder of a server, opened over its mounts in turn. */
  static async on(server: string, mounts: readonly string[]): Promise<DirectoryPlace> {
    const outer = await mkdtemp(join(server, 'quorate-store-'));
    const place = await DirectoryPlace.#in(
      outer,
      mounts.map((mount) => join(mount, basename(outer))),
    );
    for (const mount of mounts) await readdir(mount);
    return place;
  }

  static async #in(outer: string, views: readonly string[]): Promise<DirectoryPlace> {
    const place = new DirectoryPlace(outer, views);
    await mkdir(place.folder);
    return place;
  }

  get url(): string {
    return `dir:${this.folder}`;
  }

  open(): Promise<Store> {
    return openStore(`dir:${this.#views[this.#opened++ % this.#views.length]}`, { pollMs: 100 });
  }

  blobPath(hash: string): string {
    return join(this.folder, 'blobs', hash.slice(0, 2), hash);
  }

  async damage(hash: string): Promise<void> {
    const bytes = await readFile(this.blobPath(hash));
    await writeFile(this.blobPath(hash), bytes.fill('~', Math.floor(bytes.length / 2)));
  }

  async rewrite(record: StoredRecord, change: (text: string) => string): Promise<void> {
    const heads = join(this.folder, 'bundles/web/heads');
    const path = {
      format: () => join(this.folder, 'format'),
      head: async () => join(heads, (await readdir(heads)).sort().at(-1)!),
      release: () => join(this.folder, 'bundles/web/releases/1'),
      status: () => join(this.folder, 'instances/i'),
    }[record]();
    const [first, ...rest] = (await readFile(await path, 'utf8')).split('\n');
    await writeFile(await path, [change(first!), ...rest].join('\n'));
  }

  async storedBlobs(): Promise<string[]> {
    return (await readdir(join(this.folder, 'blobs'), { recursive: true })).filter((name) => name.length > 60);
  }

  /** As an unmounted share leaves its mount point: an empty folder. */
  async cutOff(): Promise<AsyncDisposable> {
    const away = join(this.#outer, 'away');
    const seen = async (): Promise<void> => {
      for (const view of this.#views) await readdir(dirname(view));
    };
    await rename(this.folder, away);
    await mkdir(this.folder);
    await seen();
    return {
      [Symbol.asyncDispose]: async () => {
        await rmdir(this.folder);
        await rename(away, this.folder);
        await seen();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#outer, { recursive: true, force: true });
  }
}
