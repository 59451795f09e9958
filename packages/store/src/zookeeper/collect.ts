import { op, type ZooKeeper } from '@quorate/zookeeper';
import { StoreError } from '../errors.ts';
import type { Collected, Retention, Store } from '../store.ts';
import type { Blobs } from './blobs.ts';
import { isCode } from './errors.ts';
import { BUNDLES, blobPath, GENERATION, headPath, releasePath } from './paths.ts';

/** Nodes deleted in one transaction: a request of some 20 KB. */
const BATCH = 200;
/** Times that publishers may come in between before a later run has to finish. */
const ROUNDS = 50;

/**
 * Removes old releases, then blobs that nobody uses. Each deletion is one transaction that holds only if no head has moved since the
 * marking and no other collection ran; it raises the generation, so a publisher that verified its blobs before it verifies them again.
 * A bundle's first publish raises the generation too: a bundle that nobody marked cannot slip in.
 */
export async function collect(store: Store, zk: ZooKeeper, blobs: Blobs, { keep }: Retention): Promise<Collected> {
  let releases = 0;
  for (const bundle of await store.bundles()) releases += await removeReleases(store, zk, bundle, keep);
  const collected = { releases, blobs: 0, bytes: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    if (await sweep(store, zk, blobs, collected)) return collected;
  }
  throw new StoreError(
    'CONFLICT',
    'publishers were faster than the collection: run it again at a calmer time; nothing was lost',
  );
}

/** Oldest first, so that what stays is always one line without gaps. */
async function removeReleases(store: Store, zk: ZooKeeper, bundle: string, keep: number): Promise<number> {
  const head = (await store.latest(bundle))?.release.number ?? 0;
  const old = (await store.releases(bundle)).slice(0, -Math.max(1, keep)).filter((number) => number < head);
  for (const number of old) await remove(zk, releasePath(bundle, number));
  return old.length;
}

/** @returns false when a publisher came in between: what is used has to be found anew */
async function sweep(
  store: Store,
  zk: ZooKeeper,
  blobs: Blobs,
  collected: { blobs: number; bytes: number },
): Promise<boolean> {
  let generation = (await zk.exists(GENERATION))?.version;
  if (generation === undefined) return true; // nothing was ever published
  const heads = await headChecks(zk);
  const used = await usedBlobs(store);
  const garbage = (await blobs.list(zk)).filter((hash) => !used.has(hash));
  for (const batch of await batches(zk, garbage)) {
    try {
      await zk.multi([...heads, op.set(GENERATION, '', generation), ...batch.nodes.map((path) => op.delete(path))]);
    } catch (error) {
      // moved heads, another collector, or a publisher that is filling in chunks again
      if (isCode(error, 'BAD_VERSION', 'NO_NODE', 'NOT_EMPTY')) return false;
      throw error;
    }
    generation++;
    collected.blobs += batch.blobs;
    collected.bytes += batch.bytes;
  }
  return true;
}

interface Batch {
  /** children before their parents */
  nodes: string[];
  blobs: number;
  bytes: number;
}

/** Blobs with their chunks, never one blob over two transactions: a publisher sees it whole or gone. */
async function batches(zk: ZooKeeper, hashes: readonly string[]): Promise<Batch[]> {
  const found: Batch[] = [];
  let batch: Batch = { nodes: [], blobs: 0, bytes: 0 };
  for (const hash of hashes) {
    const path = blobPath(hash);
    const stat = await zk.exists(path);
    if (!stat) continue;
    const chunks = stat.numChildren === 0 ? [] : (await zk.children(path)).children.map((name) => `${path}/${name}`);
    const sizes = await Promise.all(chunks.map(async (chunk) => (await zk.exists(chunk))?.dataLength ?? 0));
    batch.nodes.push(...chunks, path);
    batch.blobs++;
    batch.bytes += stat.dataLength + sizes.reduce((sum, size) => sum + size, 0);
    if (batch.nodes.length < BATCH) continue;
    found.push(batch);
    batch = { nodes: [], blobs: 0, bytes: 0 };
  }
  return batch.blobs > 0 ? [...found, batch] : found;
}

async function headChecks(zk: ZooKeeper): Promise<ReturnType<typeof op.check>[]> {
  const { children } = await zk.children(BUNDLES);
  const stats = await Promise.all(
    children.map(async (bundle) => ({ path: headPath(bundle), stat: await zk.exists(headPath(bundle)) })),
  );
  return stats.flatMap(({ path, stat }) => (stat ? [op.check(path, stat.version)] : []));
}

async function usedBlobs(store: Store): Promise<Set<string>> {
  const used = new Set<string>();
  const seenPages = new Set<string>();
  for (const bundle of await store.bundles()) {
    for (const number of await store.releases(bundle)) {
      const release = await store.release(bundle, number);
      // most pages are shared by many releases: each is read once
      for (const page of release?.pages ?? []) {
        used.add(page.sha256);
        if (seenPages.has(page.sha256)) continue;
        seenPages.add(page.sha256);
        for (const ref of entriesOf(await store.blob(page))) used.add(ref);
      }
    }
  }
  return used;
}

/** Contents that one page of a manifest names; folders of its entries may stand on another page. */
function entriesOf(page: Buffer): string[] {
  const entries = JSON.parse(page.toString('utf8')) as { kind: string; sha256?: string }[];
  return entries.flatMap(({ sha256 }) => (sha256 === undefined ? [] : [sha256]));
}

async function remove(zk: ZooKeeper, path: string): Promise<void> {
  try {
    await zk.delete(path);
  } catch (error) {
    if (!isCode(error, 'NO_NODE')) throw error; // another collector was faster
  }
}
