import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Store, StoreError } from '@quorate/store';
import { Backup, isMoved, type LineToRestore, planRestore, restore as restoreLines } from '@quorate/store/backup';
import { noteDeed } from '../audit.ts';
import { Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { interruptible } from '../interrupt.ts';
import { confirm } from '../output/ask.ts';
import { bytesText, progressOf, uploadProgress } from '../output/progress.ts';
import { paint } from '../output/style.ts';
import { table } from '../output/table.ts';
import { contentsOf, described } from './ensemble-backup.ts';

const AGAIN = 'run the same again: what is there already is not sent twice';

/** Brings a backup's bundles into a store: each line goes on where the store's ends, and nothing is overwritten. */
export async function restore(file: string, bundles: readonly string[], flags: GlobalFlags): Promise<number> {
  await using context = await Context.open(flags);
  using interrupt = interruptible(AGAIN);
  const { signal } = interrupt;
  await using backup = await openBackup(file, signal);
  const store = await context.store();
  const lines = await planRestore(store, backup, bundles, { signal });
  const moves = lines.filter(isMoved);
  if (!context.json) process.stdout.write(`${planTable(lines)}\n`);
  if (
    moves.length > 0 &&
    !(await confirm(`Restore this into ${store.url}? Its fleet applies these releases.`, context.yes))
  ) {
    context.say('nothing was restored');
    return EXIT.failed;
  }
  await run(store, backup, lines, signal);
  await noteDeed(store, {
    action: 'ensemble restore',
    what: `${lines.map(({ bundle }) => bundle).join(', ')} from ${backup.name}`,
  });
  context.print(
    { ...described(backup), into: store.url, restored: lines.map(told) },
    () => `${paint('green', '✓')} ${store.url} holds all of ${backup.name}`,
  );
  return EXIT.done;
}

async function run(store: Store, backup: Backup, lines: readonly LineToRestore[], signal: AbortSignal): Promise<void> {
  const progress = uploadProgress('restoring');
  try {
    await restoreLines(store, backup, lines, { signal, progress });
  } catch (cause) {
    if (cause instanceof StoreError && cause.code === 'CONFLICT')
      throw new CliError(EXIT.conflict, `somebody published or collected meanwhile: ${cause.message}`, AGAIN, {
        cause,
      });
    throw cause;
  } finally {
    progress.end();
  }
}

const told = ({ bundle, store, head, releases }: LineToRestore): object => ({
  bundle,
  was: store,
  from: head,
  head: Math.max(head, releases[0]!.number),
});

const WORDS = {
  new: 'not there yet',
  behind: 'goes on from there',
  same: 'is there',
  ahead: 'has gone further',
} as const;

function planTable(lines: readonly LineToRestore[]): string {
  const rows = lines.map(({ bundle, store, head, releases }) => [
    bundle,
    `${releases.at(-1)!.number}–${releases[0]!.number}`,
    head === 0 ? '' : String(head),
    WORDS[store],
  ]);
  return rows.length === 0 ? 'the backup holds no bundles' : table(['bundle', 'backup', 'store', ''], rows);
}

/** Whether a backup is whole, without a store. */
export async function verify(file: string, flags: GlobalFlags): Promise<number> {
  await using context = await Context.open(flags);
  using interrupt = interruptible('nothing was changed');
  await using backup = await openBackup(file, interrupt.signal);
  context.print(
    described(backup),
    () => `${paint('green', '✓')} ${backup.name} is whole: from ${backup.origin.store}\n${contentsOf(backup)}`,
  );
  return EXIT.done;
}

async function openBackup(file: string, signal: AbortSignal, name = file): Promise<Backup> {
  if (file === '-') return await openInput(signal);
  const reading = progressOf('verifying');
  try {
    return await Backup.open(file, {
      name,
      signal,
      progress: (done, all) => reading(done / all, `${bytesText(done)} of ${bytesText(all)}`),
    });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new CliError(EXIT.usage, `${file} is not there`, 'name a file that `quorate ensemble backup` wrote');
    if (code === 'EISDIR')
      throw new CliError(EXIT.usage, `${file} is a folder`, 'name a file that `quorate ensemble backup` wrote');
    throw error;
  } finally {
    reading.end();
  }
}

/** All of the input first, into a file that is gone when it is closed: nothing is restored from a half one. */
async function openInput(signal: AbortSignal): Promise<Backup> {
  if (process.stdin.isTTY)
    throw new CliError(EXIT.usage, 'there is no backup to read on a terminal', 'name a file, or pipe one in');
  const folder = await mkdtemp(join(tmpdir(), 'quorate-restore-'));
  const file = join(folder, 'backup.tar');
  try {
    await pipeline(process.stdin, createWriteStream(file, { mode: 0o600 }), { signal });
    return await openBackup(file, signal, 'the standard input');
  } catch (cause) {
    signal.throwIfAborted();
    if ((cause as NodeJS.ErrnoException).code === 'ENOSPC')
      throw new CliError(
        EXIT.failed,
        `there is no room in ${tmpdir()} for what is piped in`,
        'free some, or name another folder by TMPDIR',
        { cause },
      );
    throw cause;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
