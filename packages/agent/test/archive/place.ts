import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ArchiveSettings,
  type ClusterSettings,
  DEFAULT_CLUSTER,
  DEFAULT_PORTS,
  type MemberRecord,
} from '@quorate/model';
import { type Latest, openStore, type Store, StoreError } from '@quorate/store';
import { publishFiles } from '../../../store/test/publishing.ts';
import { keepArchive } from '../../src/archive/keeper.ts';
import { archiveState } from '../../src/index.ts';
import { until } from '../real/closed-ensemble.ts';

const FIRST: MemberRecord = {
  format: 1,
  id: 1,
  instance: 'web-1',
  incarnation: 'data-1',
  zone: 'a',
  address: '10.0.0.1',
  ports: DEFAULT_PORTS,
};
let chroots = 0;

/** A cluster's store, an archive in a folder, and machines that lead one after the other. */
export class Place implements AsyncDisposable {
  readonly folder: string;
  readonly store: Store;
  readonly archive: Store;
  readonly said: string[] = [];
  #leading: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
  readonly #others: Store[] = [];
  readonly #settings: ClusterSettings;

  private constructor(folder: string, store: Store, archive: Store, durability: ArchiveSettings['durability']) {
    this.folder = folder;
    this.store = store;
    this.archive = archive;
    this.#settings = { ...DEFAULT_CLUSTER, archive: { to: archive.url, durability } };
  }

  /** @param options `servers` of ZooKeeper; `archive`: its URL, a folder of the place's own unless given */
  static async make(options: {
    readonly servers: string;
    readonly durability?: ArchiveSettings['durability'];
    readonly archive?: string;
  }): Promise<Place> {
    const { servers, durability = 'quorum' } = options;
    const folder = await mkdtemp(join(tmpdir(), 'quorate-archive-'));
    const own = join(folder, 'archive');
    await mkdir(own);
    const store = await openStore(`zk://${servers}/archive-${chroots++}`, { archiveWait: 120_000 });
    return new Place(folder, store, await openStore(options.archive ?? `dir:${own}`), durability);
  }

  async found(generation: number): Promise<void> {
    await this.store.ensemble!.found({ format: 1, cluster: 'a-cluster', generation, settings: this.#settings }, FIRST);
  }

  /** A machine takes the lead. */
  lead(open?: (url: string) => Promise<Store>): void {
    const stop = new AbortController();
    const ended = keepArchive(
      {
        store: this.store,
        ensemble: this.store.ensemble!,
        instance: 'web-1',
        log: (line) => this.said.push(line),
        retryMs: [50],
        restMs: 200,
        ...(open ? { open } : {}),
      },
      stop.signal,
    );
    this.#leading = { stop, ended };
  }

  async stopLeading(): Promise<void> {
    this.#leading?.stop.abort();
    await this.#leading?.ended;
    this.#leading = undefined;
  }

  /** The archive's folder is there, or it is not. */
  async mount(isThere: boolean): Promise<void> {
    const [shown, away] = [join(this.folder, 'archive'), join(this.folder, 'away')];
    await rename(isThere ? away : shown, isThere ? shown : away);
  }

  /** The same store as another publisher has it, who waits for the archive only so long. */
  async publisher(archiveWait = 120_000): Promise<Store> {
    const store = await openStore(this.store.url, { archiveWait });
    this.#others.push(store);
    return store;
  }

  async publish(bundle: string, text: string, store = this.store): Promise<Latest> {
    return publishFiles(store, await store.latest(bundle), { 'a.conf': text, same: 'same' }, { bundle });
  }

  async isLevel(): Promise<void> {
    await until('the archive has everything', async () => {
      const state = await archiveState(this.store);
      return state?.open && state.behind === 0 && !state.trouble && !state.faults;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopLeading();
    for (const store of [this.store, this.archive, ...this.#others]) await store.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** An error that tells this. */
export const refusal = (code: string, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof StoreError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, words);
  return true;
};
