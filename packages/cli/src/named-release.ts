import type { Release } from '@quorate/model';
import { mustLatest, mustRelease, type Store } from '@quorate/store';
import { wholeNumber } from './context.ts';
import { CliError, EXIT } from './exit.ts';

/** A release as people name it: by its number, by a tag, or `head`. @param what flag or argument that names it */
export async function namedRelease(store: Store, bundle: string, what: string, text: string): Promise<Release> {
  if (/^\d/.test(text)) return mustRelease(store, bundle, wholeNumber(what, text));
  const { release: head } = await mustLatest(store, bundle);
  if (text === 'head') return head;
  const { tags } = await store.tags(bundle);
  const tag = tags.find(({ name }) => name === text);
  if (tag) return mustRelease(store, bundle, tag.release);
  const known = tags.length > 0 ? `its tags are ${tags.map(({ name }) => name).join(', ')}` : 'it has no tags';
  throw new CliError(
    EXIT.usage,
    `${what} is a number, a tag or head, and ${bundle} has no tag ${JSON.stringify(text)}: ${known}`,
    `\`quorate history ${bundle}\` lists its releases`,
  );
}
