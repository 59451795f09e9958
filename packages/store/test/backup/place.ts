import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blobsOf } from '@quorate/model';
import { Backup, type BackupFileOptions, planRestore, restore, writeBackup } from '../../src/backup/index.ts';
import { openStore, readManifest, type Store } from '../../src/index.ts';
import { type Contents, publishFiles } from '../publishing.ts';

/** A folder with stores and backups in it, gone when disposed. */
export class Place implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<Place> {
    return new Place(await mkdtemp(join(tmpdir(), 'quorate-backup-')));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  store(name: string): Promise<Store> {
    return openStore(`dir:${this.path(name)}`);
  }

  /** A store with a long bundle, a short one, and one whose oldest releases are collected. */
  async filled(name = 'store'): Promise<Store> {
    const store = await this.store(name);
    await publishLine(store, 'web', 5, (number) => ({
      'a.conf': `version ${number}`,
      'd/same': 'same',
      large: Buffer.alloc(70_000, 'x'),
    }));
    await store.collect({ keep: 3 });
    await publishLine(store, 'mail', 2, (number) => ({ relay: `relay ${number}` }));
    await publishLine(store, 'empty', 1, () => ({ nothing: '' }));
    return store;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

export async function publishLine(
  store: Store,
  bundle: string,
  count: number,
  files: (number: number) => Contents,
): Promise<void> {
  let last = await store.latest(bundle);
  for (let at = 0; at < count; at++)
    last = await publishFiles(store, last, files((last?.release.number ?? 0) + 1), { bundle });
}

/** All that a store holds, but for versions, which are the adapter's own. */
export async function everything(store: Store): Promise<Record<string, object>> {
  const found: Record<string, object> = {};
  for (const bundle of await store.bundles()) {
    const { version: _, ...head } = (await store.latest(bundle))!.head;
    const releases = [];
    for (const number of await store.releases(bundle)) {
      const release = (await store.release(bundle, number))!;
      const refs = [...release.pages, ...blobsOf(await readManifest(store, release))];
      const contents = await Promise.all(refs.map(async (ref) => (await store.blob(ref)).toString('base64')));
      releases.push({ release, contents });
    }
    found[bundle] = { head, releases };
  }
  return found;
}

export async function restored(store: Store, file: string): Promise<string[]> {
  await using backup = await Backup.open(file);
  const lines = await planRestore(store, backup);
  await restore(store, backup, lines);
  return lines.map(({ bundle, store }) => `${bundle} ${store}`);
}

export async function backedUp(store: Store, file: string, options: BackupFileOptions = {}): Promise<void> {
  await (await writeBackup(store, file, options))[Symbol.asyncDispose]();
}
