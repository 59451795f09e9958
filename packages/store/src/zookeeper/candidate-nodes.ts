import { decodeCandidate, encodeCandidate, type OfferedRelease, type Release } from '@quorate/model';
import { op, type WriteOp, type ZooKeeper } from '@quorate/zookeeper';
import { StoreError } from '../errors.ts';
import { recordError } from '../format.ts';
import type { BlobSource, Publication } from '../store.ts';
import { isCode } from './errors.ts';
import { dataVersion } from './lines.ts';
import { childrenOf, ignoreMissing, orUndefined } from './missing.ts';
import { blobPath, CANDIDATES, candidatePath, GENERATION, headPath, offerPath, votesOf, votesPath } from './paths.ts';
import type { Tree } from './tree.ts';

/** What is known of a candidate of one's own. */
export interface Offered {
  /** of collections, from before its blobs were verified */
  readonly generation: number;
}

/** Votes that are deleted in one transaction. */
const BATCH = 200;

/**
 * Shows a candidate, if its content is there and the head is still the expected one. The candidates' own node is written too: a collection
 * that has not seen the new one starts over.
 */
export function candidateBegins(
  tree: Tree,
  { release, expected }: Publication,
  { generation, terms, plan }: Offered & { readonly terms: readonly WriteOp[]; readonly plan: true | undefined },
  checked: readonly BlobSource[],
): WriteOp[] {
  const { bundle, id } = release;
  const record = encodeCandidate({ release, ...(plan ? { plan } : {}) });
  return [
    op.check(GENERATION, generation),
    ...terms,
    ...checked.map((ref) => op.check(blobPath(ref.sha256))),
    ...(expected ? [op.check(headPath(bundle), dataVersion(expected.version))] : []),
    op.set(CANDIDATES, ''),
    op.set(offerPath(bundle), id),
    op.create(votesPath(bundle, id), '', tree.offeredAcl(bundle)),
    op.create(candidatePath(bundle), record, { mode: 'ephemeral', ...tree.offeredAcl(bundle) }),
  ];
}

/** The end of a candidate that stands: its votes have its name, so it is that one and no other. */
export const candidateEnds = ({ bundle, id }: Release): WriteOp[] => [
  op.check(votesPath(bundle, id)),
  op.delete(candidatePath(bundle)),
];

/** @throws StoreError WITHDRAWN */
export async function mustStand(zk: ZooKeeper, release: Release): Promise<void> {
  if ((await standing(zk, release.bundle))?.release.id !== release.id) throw withdrawn(release);
}

export const withdrawn = ({ number, bundle }: Release, cause?: unknown): StoreError =>
  new StoreError(
    'WITHDRAWN',
    `release ${number} of ${bundle} is offered no more: the connection to the ensemble was lost for too long; nothing was published, publish again`,
    { cause },
  );

export async function standing(zk: ZooKeeper, bundle: string): Promise<OfferedRelease | undefined> {
  const [read, offer] = await Promise.all([
    orUndefined(zk.get(candidatePath(bundle))),
    orUndefined(zk.get(offerPath(bundle))),
  ]);
  try {
    const candidate = read && decodeCandidate(read.data);
    return candidate?.release.id === offer?.data.toString('utf8') ? candidate : undefined;
  } catch (error) {
    throw recordError(candidatePath(bundle), error) ?? error;
  }
}

/** Nodes that hold votes on a candidate of the bundle, whether it stands or is over. */
export async function votedOn(zk: ZooKeeper, bundle: string): Promise<string[]> {
  return (await childrenOf(zk, votesOf(bundle))).map((name) => `${votesOf(bundle)}/${name}`);
}

/** Clears away the votes on a candidate that is over. Repeatable. */
export async function clearVotes(zk: ZooKeeper, folder: string): Promise<void> {
  while (!(await clear(zk, folder)));
}

/** @returns false when a vote came in meanwhile */
async function clear(zk: ZooKeeper, folder: string): Promise<boolean> {
  const votes = (await childrenOf(zk, folder)).map((name) => `${folder}/${name}`);
  try {
    for (let at = 0; at < votes.length; at += BATCH)
      await zk.multi(votes.slice(at, at + BATCH).map((path) => op.delete(path)));
    await zk.delete(folder);
    return true;
  } catch (error) {
    if (isCode(error, 'NOT_EMPTY')) return false;
    ignoreMissing(error); // somebody else clears the same away
    return true;
  }
}
