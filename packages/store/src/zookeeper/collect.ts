import { isBundleName, standingRelease } from '@quorate/model';
import { op, type ZooKeeper } from '@quorate/zookeeper';
import { StoreError } from '../errors.ts';
import { Marking } from '../marking.ts';
import type { Collected, Retention, Store } from '../store.ts';
import type { Blobs } from './blobs.ts';
import { standing } from './candidate-nodes.ts';
import { isCode } from './errors.ts';
import { childrenOf } from './missing.ts';
import { BUNDLES, blobPath, CANDIDATES, GENERATION, headPath } from './paths.ts';
import { removeUnprotected } from './tags.ts';
import type { Tree } from './tree.ts';

/** Nodes deleted in one transaction: a request of some 20 KB. */
const BATCH = 200;
/** Requests that are under way at once. */
const UNDER_WAY = 256;
/** Times that publishers may come in between before a later run has to finish. */
const ROUNDS = 50;

/**
 * Removes old releases, then blobs that nobody uses. Each deletion is one transaction that holds only if no head has moved since the
 * marking and no other collection ran; it raises the generation, so a publisher that verified its blobs before it verifies them again.
 * A bundle's first publish raises the generation too: a bundle that nobody marked cannot slip in.
 */
export async function collect(
  store: Store,
  zk: ZooKeeper,
  { blobs, tree }: { readonly blobs: Blobs; readonly tree: Tree },
  { keep }: Retention,
): Promise<Collected> {
  let releases = 0;
  for (const bundle of await store.bundles()) releases += await removeReleases(store, zk, { bundle, keep, tree });
  const collected = { releases, blobs: 0, bytes: 0 };
  const marking = new Marking(store);
  for (let round = 0; round < ROUNDS; round++) {
    if (await sweep(store, zk, { blobs, marking, collected })) return collected;
  }
  throw new StoreError(
    'CONFLICT',
    'publishers were faster than the collection: run it again at a calmer time; nothing was lost',
  );
}

async function removeReleases(
  store: Store,
  zk: ZooKeeper,
  { bundle, keep, tree }: { readonly bundle: string; readonly keep: number; readonly tree: Tree },
): Promise<number> {
  const latest = await store.latest(bundle);
  const needed = latest ? standingRelease(latest.head) : 0; // a rollout may go back to it
  const old = (await store.releases(bundle)).slice(0, -Math.max(1, keep)).filter((number) => number < needed);
  return old.length === 0 ? 0 : removeUnprotected(zk, bundle, old, tree.aclOf(bundle));
}

interface Sweep {
  readonly blobs: Blobs;
  readonly marking: Marking;
  readonly collected: { blobs: number; bytes: number };
}

/** @returns false when a publisher came in between: what is used has to be found anew */
async function sweep(store: Store, zk: ZooKeeper, { blobs, marking, collected }: Sweep): Promise<boolean> {
  let generation = (await zk.exists(GENERATION))?.version;
  if (generation === undefined) return true; // nothing was ever published
  // in this order: whatever comes after these reads is seen by the checks below
  const heads = await headChecks(zk);
  const offers = op.check(CANDIDATES, (await zk.exists(CANDIDATES))?.version);
  const used = await usedBlobs(store, zk, marking);
  const garbage = (await blobs.list(zk)).filter((hash) => !used.has(hash));
  for (const batch of batches(await inSlices(garbage, (hash) => measure(zk, hash)))) {
    try {
      await zk.multi([
        ...heads,
        offers,
        op.set(GENERATION, '', generation),
        ...batch.nodes.map((path) => op.delete(path)),
      ]);
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
  readonly nodes: readonly string[];
  readonly blobs: number;
  readonly bytes: number;
}

/** Puts blobs together, never one blob over two transactions: a publisher sees it whole or gone. */
function* batches(found: readonly Batch[]): Generator<Batch> {
  let batch: Batch = { nodes: [], blobs: 0, bytes: 0 };
  for (const { nodes, blobs, bytes } of found) {
    batch = { nodes: [...batch.nodes, ...nodes], blobs: batch.blobs + blobs, bytes: batch.bytes + bytes };
    if (batch.nodes.length < BATCH) continue;
    yield batch;
    batch = { nodes: [], blobs: 0, bytes: 0 };
  }
  if (batch.nodes.length > 0) yield batch;
}

/** One blob with its chunks. */
async function measure(zk: ZooKeeper, hash: string): Promise<Batch> {
  const path = blobPath(hash);
  const stat = await zk.exists(path);
  if (!stat) return { nodes: [], blobs: 0, bytes: 0 };
  const names = stat.numChildren === 0 ? [] : await childrenOf(zk, path);
  const chunks = names.map((name) => `${path}/${name}`);
  const sizes = await Promise.all(chunks.map(async (chunk) => (await zk.exists(chunk))?.dataLength ?? 0));
  return { nodes: [...chunks, path], blobs: 1, bytes: sizes.reduce((sum, size) => sum + size, stat.dataLength) };
}

async function headChecks(zk: ZooKeeper): Promise<ReturnType<typeof op.check>[]> {
  const paths = (await childrenOf(zk, BUNDLES)).map(headPath);
  const stats = await inSlices(paths, (path) => zk.exists(path));
  return paths.flatMap((path, at) => {
    const stat = stats[at];
    return stat ? [op.check(path, stat.version)] : [];
  });
}

async function usedBlobs(store: Store, zk: ZooKeeper, marking: Marking): Promise<Set<string>> {
  const used = new Set<string>();
  for (const bundle of (await childrenOf(zk, CANDIDATES)).filter(isBundleName)) {
    const candidate = await standing(zk, bundle);
    if (candidate) for (const hash of await marking.usedBy(candidate.release)) used.add(hash);
  }
  for (const bundle of await store.bundles()) {
    const releases = await inSlices(await store.releases(bundle), (number) => store.release(bundle, number));
    // undefined: another collector keeps fewer
    for (const release of releases) if (release) for (const hash of await marking.usedBy(release)) used.add(hash);
  }
  return used;
}

async function inSlices<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let at = 0; at < items.length; at += UNDER_WAY)
    done.push(...(await Promise.all(items.slice(at, at + UNDER_WAY).map(work))));
  return done;
}
