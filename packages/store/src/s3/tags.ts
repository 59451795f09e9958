import { randomUUID } from 'node:crypto';
import { checkBundleName, decodeTags, encodeTags, type Tag } from '@quorate/model';
import { recordError } from '../format.ts';
import type { CallOptions, VersionedTags } from '../store.ts';
import { tagsKey } from './keys.ts';
import type { ConditionalObjects } from './objects.ts';

export async function readTags(
  objects: ConditionalObjects,
  bundle: string,
  options: CallOptions = {},
): Promise<VersionedTags> {
  checkBundleName(bundle);
  const key = tagsKey(bundle);
  const read = await objects.get(key, options);
  if (!read) return { tags: [] };
  try {
    return { tags: decodeTags(read.bytes.toString('utf8').split('\n')[0]!), version: read.etag };
  } catch (error) {
    throw recordError(`${objects.url}: ${key}`, error) ?? error;
  }
}

/** The second line makes each write unlike all others. @returns false when they were changed since that version */
export async function replaceTags(
  objects: ConditionalObjects,
  bundle: string,
  { tags, version }: { readonly tags: readonly Tag[]; readonly version: string | undefined },
  options: CallOptions = {},
): Promise<boolean> {
  checkBundleName(bundle);
  const key = tagsKey(bundle);
  const bytes = Buffer.concat([encodeTags(tags), Buffer.from(`${JSON.stringify({ mark: randomUUID() })}\n`)]);
  const tag =
    version === undefined
      ? await objects.create(key, bytes, options)
      : await objects.replace(key, bytes, version, options);
  return tag !== undefined;
}
