import * as v from 'valibot';
import { decodeRecord, encodeRecord, positive } from './codec.ts';
import { ModelError } from './errors.ts';
import { comparePaths } from './path.ts';

export const TAGS_FORMAT = 1;

/** A name that people gave a release. */
export interface Tag {
  readonly name: string;
  readonly release: number;
  /** a collection leaves the release alone, and with it those that came after it: a line has no gaps */
  readonly protected?: boolean;
  readonly author: string;
  /** the author's wall clock, ISO 8601: shown, never compared */
  readonly time: string;
}

/** How many a bundle may have: with them the record stays below 64 KB. */
export const TAGS_MOST = 200;

/** Words that stand for a release by themselves. */
const RESERVED = new Set(['head', 'native', 'new']);

/** @throws ModelError BAD_TAG */
export function checkTagName(name: string): void {
  const shaped = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/.test(name) && !name.includes('..') && !name.endsWith('.');
  if (shaped && !RESERVED.has(name)) return;
  const why = RESERVED.has(name)
    ? 'it has a meaning of its own'
    : 'a letter, then up to 63 of letters, digits, dots, - and _, no two dots together and none at its end';
  throw new ModelError('BAD_TAG', `${JSON.stringify(name.slice(0, 80))} cannot be a tag: ${why}`);
}

/** @returns the tags with this one in the place of what had its name, in the order of their names */
export function withTag(tags: readonly Tag[], tag: Tag): Tag[] {
  checkTagName(tag.name);
  const others = tags.filter(({ name }) => name !== tag.name);
  if (others.length >= TAGS_MOST) throw new ModelError('LIMIT', `a bundle may have ${TAGS_MOST} tags: remove some`);
  return [...others, tag].sort((a, b) => comparePaths(a.name, b.name));
}

/** The oldest release that tags protect: it and all that came after it stay. */
export function protectedFrom(tags: readonly Tag[]): number {
  const numbers = tags.filter((tag) => tag.protected).map(({ release }) => release);
  return Math.min(Number.POSITIVE_INFINITY, ...numbers);
}

const TagsSchema = v.object({
  format: positive,
  tags: v.array(
    v.object({
      name: v.string(),
      release: positive,
      protected: v.optional(v.boolean()),
      author: v.string(),
      time: v.string(),
    }),
  ),
});

export const encodeTags = (tags: readonly Tag[]): Buffer => encodeRecord({ format: TAGS_FORMAT, tags });

/** @throws ModelError BAD_RECORD or NEWER_FORMAT */
export function decodeTags(bytes: Uint8Array | string): Tag[] {
  return decodeRecord('the tags', TAGS_FORMAT, TagsSchema, bytes).tags;
}
