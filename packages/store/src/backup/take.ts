import {
  type BlobRef,
  encodeHead,
  encodeRelease,
  encodeTags,
  headOf,
  type Release,
  type Rollout,
} from '@quorate/model';
import { AUDIT_KEPT } from '../audit.ts';
import { StoreError } from '../errors.ts';
import { contentsIn } from '../marking.ts';
import type { CallOptions, Store } from '../store.ts';
import {
  AUDIT_FILE,
  BACKUP_FORMAT,
  type BackupOrigin,
  blobFile,
  FORMAT_FILE,
  headFile,
  releaseFile,
  tagsFile,
} from './layout.ts';
import type { BackupWriter } from './writer.ts';

/** Told while a backup is taken. Bytes are those that were written. */
export type BackupProgress = (done: { releases: number; bytes: number }, all: { releases: number }) => void;

/** Bytes and blobs that are read from the store at once. */
const AT_ONCE = { bytes: 8 * 1024 * 1024, blobs: 64 };
/** Times that a bundle's head may be overtaken and collected while it is read. */
const ROUNDS = 20;

export const originOf = (store: Store, time: Date): BackupOrigin => ({
  format: BACKUP_FORMAT,
  backup: 'quorate',
  store: store.url,
  time: time.toISOString(),
});

/**
 * Everything of a store, as it was at one moment for each bundle: first the heads, then each line from its head down, each release after its
 * content. Publishers go on meanwhile; what a collection takes away under us is left out, from the oldest upwards.
 * @throws StoreError CORRUPT when the store lacks content of a release that it keeps
 */
export async function takeBackup(
  store: Store,
  writer: BackupWriter,
  origin: BackupOrigin,
  { signal, progress }: CallOptions & { readonly progress?: BackupProgress } = {},
): Promise<void> {
  await writer.add(FORMAT_FILE, Buffer.from(`${JSON.stringify(origin)}\n`));
  const lines: Line[] = [];
  for (const bundle of await store.bundles({ ...(signal ? { signal } : {}) })) {
    const line = await lineOf(store, bundle);
    if (line) lines.push(line);
  }
  const all = { releases: lines.reduce((sum, { older }) => sum + older.length + 1, 0) };
  const taking = new Taking(store, writer, signal, (releases) => progress?.({ releases, bytes: writer.bytes }, all));
  for (const line of lines) await taking.line(line);
  const log = await store.audit({ most: AUDIT_KEPT }, { ...(signal ? { signal } : {}) });
  if (log.length > 0) await writer.add(AUDIT_FILE, Buffer.from(log.map((one) => `${JSON.stringify(one)}\n`).join('')));
  await writer.finish();
}

interface Line {
  readonly head: Release;
  /** the numbers of the releases before it, newest first */
  readonly older: readonly number[];
  readonly rollout: Rollout | undefined;
}

async function lineOf(store: Store, bundle: string): Promise<Line | undefined> {
  const latest = await store.latest(bundle);
  if (!latest) return undefined;
  const kept = new Set(await store.releases(bundle));
  const older: number[] = [];
  for (let number = latest.release.number - 1; kept.has(number); number--) older.push(number);
  return { head: latest.release, older, rollout: latest.head.rollout };
}

/** One run: what was read is not read again. */
class Taking {
  readonly #store: Store;
  readonly #writer: BackupWriter;
  readonly #signal: AbortSignal | undefined;
  readonly #told: (releases: number) => void;
  /** what each page of a manifest names */
  readonly #pages = new Map<string, BlobRef[]>();
  #releases = 0;

  constructor(store: Store, writer: BackupWriter, signal: AbortSignal | undefined, told: (releases: number) => void) {
    this.#store = store;
    this.#writer = writer;
    this.#signal = signal;
    this.#told = told;
  }

  /** @param seen the line as it was at the start; where its head was overtaken and is kept no more, it is looked at again */
  async line(seen: Line): Promise<void> {
    const { bundle } = seen.head;
    let line: Line | undefined = seen;
    for (let round = 0; round < ROUNDS; round++) {
      if (!line) return;
      if (await this.#release(line.head)) return this.#rest(line);
      line = await lineOf(this.#store, bundle);
    }
    throw new StoreError('CONFLICT', `releases of ${bundle} were collected faster than they could be read: try again`);
  }

  async #rest({ head: { bundle, number, digest }, older, rollout }: Line): Promise<void> {
    await this.#writer.add(headFile(bundle), encodeHead(headOf({ number, digest }, rollout)));
    const { tags } = await this.#store.tags(bundle, this.#options);
    if (tags.length > 0) await this.#writer.add(tagsFile(bundle), encodeTags(tags));
    for (const number of older) {
      const release = await this.#store.release(bundle, number, this.#options);
      // collected since: so are those below it
      if (!release || !(await this.#release(release))) return;
    }
  }

  /** @returns false when it was collected meanwhile */
  async #release(release: Release): Promise<boolean> {
    this.#signal?.throwIfAborted();
    try {
      await this.#blobs(release.pages);
      const contents = await Promise.all(release.pages.map((page) => this.#contentsOf(page)));
      await this.#blobs(contents.flat());
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'NOT_FOUND')) throw error;
      const { bundle, number } = release;
      if (!(await this.#store.release(bundle, number, this.#options))) return false;
      const message = `release ${number} of ${bundle} lacks content in ${this.#store.url}: ${error.message}`;
      throw new StoreError('CORRUPT', message, { cause: error });
    }
    await this.#writer.add(releaseFile(release.bundle, release.number), encodeRelease(release));
    this.#told(++this.#releases);
    return true;
  }

  async #contentsOf(page: BlobRef): Promise<BlobRef[]> {
    let contents = this.#pages.get(page.sha256);
    if (!contents) {
      contents = contentsIn(await this.#store.blob(page, this.#options));
      this.#pages.set(page.sha256, contents);
    }
    return contents;
  }

  /** Writes what the backup has not got: read some at once, written one after the other. */
  async #blobs(refs: readonly BlobRef[]): Promise<void> {
    const missing = new Map(refs.map((ref) => [ref.sha256, ref]));
    for (const hash of missing.keys()) if (this.#writer.holds(blobFile(hash))) missing.delete(hash);
    for (const batch of batches([...missing.values()])) {
      this.#signal?.throwIfAborted();
      const contents = await Promise.all(batch.map((ref) => this.#store.blob(ref, this.#options)));
      for (const [at, bytes] of contents.entries()) await this.#writer.add(blobFile(batch[at]!.sha256), bytes);
      this.#told(this.#releases);
    }
  }

  get #options(): CallOptions {
    return this.#signal ? { signal: this.#signal } : {};
  }
}

function* batches(refs: readonly BlobRef[]): Generator<BlobRef[]> {
  let batch: BlobRef[] = [];
  let bytes = 0;
  for (const ref of refs) {
    if (batch.length > 0 && (bytes + ref.size > AT_ONCE.bytes || batch.length === AT_ONCE.blobs)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(ref);
    bytes += ref.size;
  }
  if (batch.length > 0) yield batch;
}
