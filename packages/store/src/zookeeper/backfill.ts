import { encodeRelease, type Release } from '@quorate/model';
import { op, type WriteOp, type ZooKeeper, ZooKeeperError } from '@quorate/zookeeper';
import { noPlace, StoreError } from '../errors.ts';
import { releaseBatches } from '../release-batches.ts';
import type { Backfill, CallOptions, UploadProgress } from '../store.ts';
import type { Blobs } from './blobs.ts';
import { isCode } from './errors.ts';
import type { Lines } from './lines.ts';
import type { Link } from './link.ts';
import { GENERATION, releasePath } from './paths.ts';
import type { Tree } from './tree.ts';

/** Bytes of the records that one transaction creates, but for one larger record: far below ZooKeeper's limit of 1 MB. */
const BATCH_BYTES = 128 * 1024;
/** Publishers of new bundles and collections that may come in between before a later call has to finish. */
const ROUNDS = 100;
/** Connections that may be lost on the way. */
const LOSSES = 3;

interface Parts {
  readonly tree: Tree;
  readonly blobs: Blobs;
  readonly lines: Lines;
}

type Options = CallOptions & { readonly progress?: UploadProgress };

/**
 * Adds older releases below those that are kept: content first, then the records in transactions that each hold only if no collection ran
 * since the content was looked at. Each raises the generation, so that a collection that has marked without them starts over.
 */
export async function backfill(link: Link, parts: Parts, what: Backfill, options: Options): Promise<void> {
  let losses = 0;
  for (let round = 0; round < ROUNDS; round++) {
    options.signal?.throwIfAborted();
    try {
      return await attempt(await link.session(options.signal), parts, what, options);
    } catch (error) {
      const raced = isCode(error, 'BAD_VERSION', 'NODE_EXISTS', 'NO_NODE', 'SESSION_MOVED');
      const lost = error instanceof ZooKeeperError && error.ambiguous;
      if (!raced && !(lost && losses++ < LOSSES)) throw error;
      parts.tree.forget();
    }
  }
  throw new StoreError(
    'CONFLICT',
    `publishers and collections of ${what.bundle} came in between again and again: try again at a calmer time; nothing was lost`,
  );
}

async function attempt(
  zk: ZooKeeper,
  { tree, blobs, lines }: Parts,
  { bundle, releases, held }: Backfill,
  { signal, progress }: Options,
): Promise<void> {
  let generation = await tree.prepare(zk, bundle, blobs);
  await blobs.upload(zk, held, signal, progress);
  for (const batch of releaseBatches(await missing(zk, lines, bundle, releases), BATCH_BYTES)) {
    signal?.throwIfAborted();
    await zk.multi([op.set(GENERATION, '', generation), ...batch.flatMap((release) => steps(tree, release))]);
    tree.raised(generation++);
  }
}

/** The record, if the next one is there: in one transaction each sees what those before it made. */
function steps(tree: Tree, release: Release): WriteOp[] {
  const { bundle, number } = release;
  return [
    op.check(releasePath(bundle, number + 1)),
    op.create(releasePath(bundle, number), encodeRelease(release), tree.aclOf(bundle)),
  ];
}

/** @throws StoreError CONFLICT when another release has one of the numbers, or when the line does not reach down to them */
async function missing(zk: ZooKeeper, lines: Lines, bundle: string, releases: readonly Release[]): Promise<Release[]> {
  const kept = new Set(await lines.numbers(zk, bundle));
  const absent: Release[] = [];
  for (const release of releases) {
    const there = kept.has(release.number) ? await lines.release(zk, bundle, release.number) : undefined;
    if (there && there.id !== release.id) throw noPlace(release, there);
    if (!there && !kept.has(release.number + 1)) throw noPlace(release, undefined);
    if (!there) absent.push(release);
    kept.add(release.number);
  }
  return absent;
}
