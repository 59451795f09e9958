import type { ArchiveSettings, ClusterSettings } from '@quorate/model';
import { noteDeed } from '../audit.ts';
import { Context, type GlobalFlags, wholeNumber } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { archiveOf, oddNumber } from './found.ts';

export interface SetFlags extends GlobalFlags {
  readonly voters?: string;
  readonly members?: string;
  readonly deadAfter?: string;
  readonly keep?: string;
  /** a store's URL, or `none` */
  readonly archive?: string;
  readonly durability?: string;
}

/** A server id is one byte, and two values of it are ZooKeeper's own. */
const MEMBERS_MOST = 254;

/** Shows, or changes, what holds for the whole cluster. */
export async function setCluster(flags: SetFlags): Promise<number> {
  const known = changeOf(flags);
  await using context = await Context.open(flags);
  const store = await context.store();
  const { ensemble } = store;
  const before = await ensemble?.cluster();
  if (!ensemble || !before)
    throw new CliError(EXIT.failed, 'the store is no ensemble that looks after itself', '`quorate init` founds one');
  const change = { ...known, ...archiveChange(flags, before.settings.archive) };
  const isChange = Object.keys(change).length > 0;
  const { settings } = isChange ? await ensemble.adjust(change) : before;
  if (isChange) await noteDeed(store, { action: 'ensemble set', what: wordsOf(change) });
  context.print(settings, () => describe(settings));
  return EXIT.done;
}

const wordsOf = (change: Partial<ClusterSettings>): string =>
  Object.entries(change)
    .map(([name, value]) => `${name} ${value === undefined ? 'none' : JSON.stringify(value)}`)
    .join(', ');

function changeOf({ voters, members, deadAfter, keep }: SetFlags): Partial<ClusterSettings> {
  return {
    ...(voters === undefined ? {} : { voters: oddNumber(voters) }),
    ...(members === undefined ? {} : { members: membersOf(members) }),
    ...(deadAfter === undefined ? {} : { deadAfter: wholeNumber('--dead-after', deadAfter) }),
    ...(keep === undefined ? {} : { keep: keep === 'all' ? undefined : wholeNumber('--keep', keep) }),
  } as Partial<ClusterSettings>;
}

/** What is not said of the archive stays as it was. */
function archiveChange(
  { archive, durability }: SetFlags,
  before: ArchiveSettings | undefined,
): { archive?: ArchiveSettings | undefined } {
  if (archive === 'none' && durability === undefined) return { archive: undefined };
  if (archive === undefined && durability === undefined) return {};
  const to = archive ?? before?.to;
  if (to === undefined || to === 'none')
    throw new CliError(
      EXIT.usage,
      'there is no archive that a publish could wait for',
      'name one: --archive s3://BUCKET/PREFIX',
    );
  return { archive: archiveOf({ archive: to, durability: durability ?? before?.durability })! };
}

function membersOf(text: string): number {
  const members = wholeNumber('--members', text);
  if (members <= MEMBERS_MOST) return members;
  throw new CliError(EXIT.usage, `--members is at most ${MEMBERS_MOST}`, 'further machines are plain clients');
}

function describe({ voters, members, deadAfter, keep, archive }: ClusterSettings): string {
  return [
    `voters      ${voters} at most`,
    `members     ${members} at most, observers included; further machines are plain clients`,
    `dead after  ${deadAfter} s of silence, where nothing tells of terminated machines`,
    `keep        ${keep === undefined ? 'all releases' : `the newest ${keep} releases of each bundle`}`,
    `archive     ${archive ? archive.to : 'none'}`,
    `durability  ${archive?.durability === 'archive' ? 'archive: a publish waits until the archive has it' : 'quorum: a publish waits for a majority of the voters'}`,
  ].join('\n');
}
