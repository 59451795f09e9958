import { checkTagName, type Tag } from '@quorate/model';
import { mustLatest, removeTag, type Store, StoreError, setTag } from '@quorate/store';
import { noteDeed } from '../audit.ts';
import { authorOf, Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { namedRelease } from '../named-release.ts';
import { localTime } from '../output/release.ts';
import { paint } from '../output/style.ts';
import { table } from '../output/table.ts';

export interface TagFlags extends GlobalFlags {
  readonly protect?: boolean;
  readonly move?: boolean;
  readonly remove?: string;
  readonly author?: string;
}

/** Names a release, takes a name away, or lists them. */
export async function tag(
  bundle: string,
  release: string | undefined,
  name: string | undefined,
  flags: TagFlags,
): Promise<number> {
  await using context = await Context.open(flags);
  const wanted = release === undefined ? undefined : { release, name: name ?? '' };
  if (flags.remove !== undefined && wanted)
    throw new CliError(EXIT.usage, '--remove takes the tag, and no release', `quorate tag ${bundle} --remove NAME`);
  if (!wanted && (flags.protect || flags.move))
    throw new CliError(EXIT.usage, 'a release and a name are missing', `quorate tag ${bundle} RELEASE NAME`);
  if (wanted) checkTagName(wanted.name);
  const store = await context.store();
  if (flags.remove !== undefined) return await remove(context, store, bundle, { ...flags, remove: flags.remove });
  return wanted ? await give(context, store, bundle, { ...flags, ...wanted }) : await list(context, store, bundle);
}

async function list(context: Context, store: Store, bundle: string): Promise<number> {
  await mustLatest(store, bundle);
  const { tags } = await store.tags(bundle);
  const rows = tags.map(({ name, release, protected: kept, author, time }) => [
    name,
    `${release}`,
    kept ? 'protected' : '',
    author,
    localTime(time),
  ]);
  context.print(tags, () =>
    rows.length > 0 ? table(['tag', 'release', '', 'author', 'when'], rows) : `${bundle} has no tags`,
  );
  return EXIT.done;
}

async function remove(
  context: Context,
  store: Store,
  bundle: string,
  { remove: name, author }: TagFlags & { readonly remove: string },
): Promise<number> {
  const { release } = await removeTag(store, bundle, name);
  const what = `${name} from ${bundle} release ${release}`;
  await noteDeed(store, { action: 'tag remove', what, bundle, release, author });
  context.print(
    { bundle, tag: name, release, removed: true },
    () => `${paint('green', '✓')} ${name} is no tag of ${bundle} any more; it was release ${release}`,
  );
  return EXIT.done;
}

async function give(
  context: Context,
  store: Store,
  bundle: string,
  flags: TagFlags & { readonly release: string; readonly name: string },
): Promise<number> {
  const { number } = await namedRelease(store, bundle, 'the release', flags.release);
  const tag: Tag = {
    name: flags.name,
    release: number,
    ...(flags.protect ? { protected: true } : {}),
    author: authorOf(flags.author),
    time: new Date().toISOString(),
  };
  const before = await setTag(store, bundle, tag, { mayMove: flags.move ?? false }).catch((error) => {
    throw error instanceof StoreError && error.code === 'TAKEN'
      ? new CliError(EXIT.conflict, error.message, 'add --move to put it here, or choose another name')
      : error;
  });
  const how = `${flags.protect ? ', protected' : ''}${before && before.release !== number ? `, moved from ${before.release}` : ''}`;
  const what = `${tag.name} to ${bundle} release ${number}${how}`;
  await noteDeed(store, { action: 'tag', what, bundle, release: number, author: flags.author });
  const was = before && before.release !== number ? `, and not ${before.release} any more` : '';
  const kept = flags.protect ? '; no collection takes it, nor what came after it' : '';
  context.print(
    { bundle, ...tag, ...(before ? { before: before.release } : {}) },
    () => `${paint('green', '✓')} ${tag.name} is release ${number} of ${bundle}${was}${kept}`,
  );
  return EXIT.done;
}
