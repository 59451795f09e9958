import { archiveState } from '@quorate/agent';
import { protectedFrom } from '@quorate/model';
import { type Store, StoreError } from '@quorate/store';
import { noteDeed } from '../audit.ts';
import { Context, type GlobalFlags, wholeNumber } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { confirm } from '../output/ask.ts';
import { bytesText } from '../output/progress.ts';
import { paint } from '../output/style.ts';
import { table } from '../output/table.ts';

export interface CollectFlags extends GlobalFlags {
  readonly keep: string;
}

/** Takes old releases out of the store, and then the contents that no release uses. */
export async function collect(flags: CollectFlags): Promise<number> {
  await using context = await Context.open(flags);
  const keep = wholeNumber('--keep', flags.keep);
  const store = await context.store();
  await mustBeArchived(store);
  const rows: string[][] = [];
  for (const bundle of await store.bundles()) {
    const kept = await store.releases(bundle);
    const from = protectedFrom((await store.tags(bundle)).tags);
    const old = kept.slice(0, -keep).filter((number) => number < from);
    rows.push([bundle, range(kept), range(old) || '–']);
  }
  const going = rows.some(([, , old]) => old !== '–');
  if (!context.json) process.stdout.write(`${table(['bundle', 'releases', 'would go'], rows)}\n`);
  if (going && !(await confirm(`Remove these releases from ${store.url} for good?`, context.yes))) {
    context.say('nothing was removed');
    return EXIT.failed;
  }
  try {
    const collected = await store.collect({ keep });
    const what = `all but the newest ${keep} releases of each bundle: ${collected.releases} releases, ${collected.blobs} contents`;
    await noteDeed(store, { action: 'collect', what });
    context.print(
      collected,
      () =>
        `${paint('green', '✓')} ${collected.releases} releases and ${collected.blobs} contents (${bytesText(collected.bytes)}) are gone`,
    );
    return EXIT.done;
  } catch (cause) {
    if (!(cause instanceof StoreError && cause.code === 'CONFLICT')) throw cause;
    throw new CliError(EXIT.conflict, cause.message, 'nothing that is used was touched', { cause });
  }
}

/** What is taken out before the archive has it never gets there. */
async function mustBeArchived(store: Store): Promise<void> {
  const archive = await archiveState(store);
  if (!archive?.behind) return;
  throw new CliError(
    EXIT.failed,
    `the archive ${archive.to} lacks ${archive.behind} releases${archive.trouble ? ` (${archive.trouble})` : ''}; nothing was removed`,
    'wait until it has them (quorate ensemble status), or do without it: quorate ensemble set --archive none',
  );
}

function range(numbers: readonly number[]): string {
  return numbers.length > 1 ? `${numbers[0]}–${numbers.at(-1)}` : numbers.join('');
}
