import { isDeepStrictEqual } from 'node:util';
import { type Tag, withTag } from '@quorate/model';
import { StoreError } from './errors.ts';
import { mustLatest, mustRelease } from './read.ts';
import type { CallOptions, Store } from './store.ts';

/** Others that may change the tags of a bundle in between. */
const ROUNDS = 50;

/**
 * Gives a release a name, or moves it there. Repeatable.
 * @returns what had the name before
 * @throws StoreError NOT_FOUND when the release is not kept, also when a collection took it at the last moment; ModelError BAD_TAG, LIMIT
 */
export async function setTag(
  store: Store,
  bundle: string,
  tag: Tag,
  options: CallOptions & { readonly mayMove?: boolean } = {},
): Promise<Tag | undefined> {
  await mustRelease(store, bundle, tag.release, options);
  let before: Tag | undefined;
  await change(store, bundle, options, (tags) => {
    before = tags.find(({ name }) => name === tag.name);
    if (before && before.release !== tag.release && !options.mayMove)
      throw new StoreError('TAKEN', `the tag ${tag.name} of ${bundle} is at release ${before.release} already`);
    return withTag(tags, tag);
  });
  await mustRelease(store, bundle, tag.release, options);
  return before;
}

/** @throws StoreError NOT_FOUND when there is no such tag */
export async function removeTag(store: Store, bundle: string, name: string, options: CallOptions = {}): Promise<Tag> {
  await mustLatest(store, bundle, options);
  let removed: Tag | undefined;
  await change(store, bundle, options, (tags) => {
    removed = tags.find((tag) => tag.name === name);
    if (!removed) throw new StoreError('NOT_FOUND', `${bundle} has no tag ${name}`, { bundle });
    return tags.filter((tag) => tag !== removed);
  });
  return removed!;
}

/** Gives releases those names that none has yet. Repeatable. @throws StoreError CONFLICT; ModelError LIMIT */
export async function addTags(
  store: Store,
  bundle: string,
  wanted: readonly Tag[],
  options: CallOptions = {},
): Promise<void> {
  await change(store, bundle, options, (tags) => {
    const missing = wanted.filter(({ name }) => !tags.some((tag) => tag.name === name));
    return missing.length === 0 ? undefined : missing.reduce<readonly Tag[]>(withTag, tags);
  });
}

/** Gives a bundle all and only these tags. Repeatable. @throws StoreError CONFLICT */
export async function replaceAllTags(
  store: Store,
  bundle: string,
  wanted: readonly Tag[],
  options: CallOptions = {},
): Promise<void> {
  await change(store, bundle, options, (tags) => (isDeepStrictEqual(tags, wanted) ? undefined : wanted));
}

async function change(
  store: Store,
  bundle: string,
  options: CallOptions,
  /** undefined where nothing is to be changed */
  next: (tags: readonly Tag[]) => readonly Tag[] | undefined,
): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const { tags, version } = await store.tags(bundle, options);
    const changed = next(tags);
    if (!changed || (await store.replaceTags(bundle, changed, version, options))) return;
  }
  throw new StoreError('CONFLICT', `others changed the tags of ${bundle} again and again: try again; nothing was lost`);
}
