import { type BlobRef, type Manifest, manifestFromPages, type Release } from '@quorate/model';
import { liveRelease } from './flip.ts';
import { Packs } from './packs.ts';
import { BundlePaths, type TreeName } from './paths.ts';

/** What is live of a bundle, for those who only look. */
export interface LiveHere {
  readonly release: Release;
  /** the tree that is live */
  readonly tree: TreeName;
  /** as it is staged: where templates were rendered, with what they became */
  readonly manifest: Manifest;
  /** @throws AgentError CORRUPT */
  read(ref: BlobRef): Buffer;
}

/** What native paths of a bundle resolve to, read beside the agent that keeps them; undefined where nothing is live. */
export function lookAt(place: {
  readonly state: string;
  readonly root: string;
  readonly bundle: string;
}): LiveHere | undefined {
  const paths = new BundlePaths(place.state, place.root, place.bundle);
  const tree = liveRelease(paths);
  if (tree === undefined) return undefined;
  const packs = new Packs(paths.packs, { looking: true });
  const release = packs.release(tree);
  if (!release) return undefined; // another one is live by now
  const pages = packs.rendered(tree)?.pages ?? release.pages;
  return {
    release,
    tree,
    manifest: manifestFromPages(pages.map((page) => packs.read(page))),
    read: (ref) => packs.read(ref),
  };
}
