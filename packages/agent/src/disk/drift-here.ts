import { type Manifest, manifestFromPages, manifestOf, type Release } from '@quorate/model';
import { Aside } from './aside.ts';
import type { BundleOptions } from './bundle-state.ts';
import { differences, type Found } from './differences.ts';
import { type Edited, editedOf, entryAt } from './edited.ts';
import { liveRelease } from './flip.ts';
import { lookAt } from './look.ts';
import { Owners } from './owners.ts';
import { BundlePaths } from './paths.ts';
import { resolveNativeRoot } from './policy.ts';

/** How files differ from the release that is applied here, for those who look beside the agent. */
export interface DriftHere {
  readonly release: Release;
  readonly edits: readonly Found[];
  /** as the release is staged here, and with the edits in it */
  readonly before: Manifest;
  readonly after: Manifest;
  /** content of either */
  read(sha256: string): Buffer;
  /** the folder of edits that were kept aside, and what is in it */
  readonly aside: string;
  readonly kept: readonly string[];
  /** what is published of it */
  edited(): Edited;
}

/** Each time a release comes in between. */
const TRIES = 5;

/** @returns undefined where nothing is applied @throws AgentError */
export async function driftHere(options: BundleOptions): Promise<DriftHere | undefined> {
  for (let tries = 1; ; tries++) {
    const found = await lookOnce(options);
    if (!found || found.isLive || tries === TRIES) return found?.drift;
  }
}

async function lookOnce(options: BundleOptions): Promise<{ drift: DriftHere; isLive: boolean } | undefined> {
  const { policy, root, state, bundle } = options;
  const here = lookAt({ state, root, bundle });
  if (!here) return undefined;
  const { release, manifest, tree } = here;
  const { definition, number } = release;
  const paths = new BundlePaths(state, root, bundle);
  const owners = new Owners(root);
  const native = resolveNativeRoot(policy, root, state, definition);
  const { edits } = await differences({ paths, owners, native, live: { name: tree, number, manifest, definition } });
  const entries = new Map(manifest.map((entry) => [entry.path, entry]));
  const contents = new Map<string, Buffer>();
  for (const edit of edits) {
    const now =
      edit.path === '.' ? { entry: entries.get('.')! } : edit.what === 'missing' ? undefined : entryAt(owners, edit);
    if (!now) entries.delete(edit.path);
    else entries.set(edit.path, now.entry);
    if (now?.entry.kind === 'file' && now.bytes) contents.set(now.entry.sha256, now.bytes);
  }
  const known = new Map(manifest.flatMap((entry) => (entry.kind === 'file' ? [[entry.sha256, entry] as const] : [])));
  const aside = new Aside(paths.aside, () => undefined);
  const drift: DriftHere = {
    release,
    edits,
    before: manifest,
    after: manifestOf(entries.values()),
    read: (hash) => contents.get(hash) ?? here.read(known.get(hash)!),
    aside: aside.folder,
    kept: aside.list(),
    edited: () => {
      const source = manifestFromPages(release.pages.map((page) => here.read(page)));
      return editedOf({ release, source, owners, read: (ref) => here.read(ref) }, edits);
    },
  };
  return { drift, isLive: liveRelease(paths) === tree };
}
