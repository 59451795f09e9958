import { type Manifest, manifestFromPages, type Release } from '@quorate/model';
import { StoreError } from './errors.ts';
import type { CallOptions, Latest, Store } from './store.ts';

/** A release's manifest, from its pages. */
export async function readManifest(store: Store, release: Release, options?: CallOptions): Promise<Manifest> {
  return manifestFromPages(await Promise.all(release.pages.map((page) => store.blob(page, options))));
}

/** The head of a bundle that must be there. @throws StoreError NOT_FOUND */
export async function mustLatest(store: Store, bundle: string, options?: CallOptions): Promise<Latest> {
  const latest = await store.latest(bundle, options);
  if (!latest) throw new StoreError('NOT_FOUND', `there is no bundle ${bundle} in ${store.url}`);
  return latest;
}

/** A release that must be there. @throws StoreError NOT_FOUND */
export async function mustRelease(
  store: Store,
  bundle: string,
  number: number,
  options?: CallOptions,
): Promise<Release> {
  const release = await store.release(bundle, number, options);
  if (release) return release;
  const kept = await store.releases(bundle, options);
  const which = kept.length === 0 ? 'the bundle has none' : `${kept[0]} to ${kept.at(-1)} are kept`;
  throw new StoreError('NOT_FOUND', `release ${number} of ${bundle} is not in ${store.url}: ${which}`, { bundle });
}
