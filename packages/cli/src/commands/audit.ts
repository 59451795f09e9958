import { setTimeout as delay } from 'node:timers/promises';
import type { AuditEntry } from '@quorate/model';
import { type Store, StoreError } from '@quorate/store';
import { Context, type GlobalFlags, wholeNumber } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { interruptible } from '../interrupt.ts';
import { localTime } from '../output/release.ts';
import { paint } from '../output/style.ts';

export interface AuditFlags extends GlobalFlags {
  readonly follow?: boolean;
  readonly number?: string;
  /** a file of `ensemble backup` */
  readonly backup?: string;
}

/** ms between two looks of who follows: one list of names each */
const LOOK_MS = 1000;
/** records that are read at once while following: more come with the next look */
const AT_ONCE = 500;

/** What was done to the cluster, oldest first; with `--follow` what is done, too. */
export async function audit(flags: AuditFlags): Promise<number> {
  await using context = await Context.open(flags);
  const most = flags.number === undefined ? 20 : wholeNumber('-n', flags.number, 0);
  if (flags.backup !== undefined) return await fromBackup(context, flags.backup, most, flags.follow ?? false);
  const store = await context.store();
  const entries = await store.audit({ most: Math.max(1, most) });
  for (const entry of most === 0 ? [] : entries) tell(context, entry);
  if (flags.follow) await follow(context, store, entries.at(-1)?.number);
  else if (entries.length === 0 && !context.json) console.log('nothing was done yet');
  return EXIT.done;
}

/** What had been done until a backup was taken. */
async function fromBackup(context: Context, file: string, most: number, follows: boolean): Promise<number> {
  if (follows) throw new CliError(EXIT.usage, 'nothing comes to a backup that could be followed', 'leave out --follow');
  const { Backup } = await import('@quorate/store/backup');
  await using backup = await Backup.open(file);
  const { origin, name } = backup;
  const entries = await backup.audit();
  if (!context.json) console.log(paint('dim', `${origin.store} until ${localTime(origin.time)}, from ${name}`));
  for (const entry of most === 0 ? [] : entries.slice(-most)) tell(context, entry);
  if (entries.length === 0 && !context.json) console.log('nothing was done until then, or an older Quorate took it');
  return EXIT.done;
}

/** Until a signal ends it. A store that goes away is told once, and looked for again. */
async function follow(context: Context, store: Store, from: number | undefined): Promise<void> {
  using stop = interruptible('');
  let last = from;
  let away = false;
  while (!stop.signal.aborted) {
    await delay(LOOK_MS, undefined, { signal: stop.signal }).catch(() => undefined); // the loop ends by the signal
    if (stop.signal.aborted) return;
    try {
      const fresh = await store.audit({ most: AT_ONCE, ...(last === undefined ? {} : { after: last }) });
      for (const entry of fresh) tell(context, entry);
      last = fresh.at(-1)?.number ?? last;
      away = false;
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'UNREACHABLE')) throw error;
      if (!away) process.stderr.write(`! ${error.message}\n`);
      away = true;
    }
  }
}

function tell(context: Context, entry: AuditEntry): void {
  process.stdout.write(`${context.json ? JSON.stringify(entry) : line(entry)}\n`);
}

function line({ time, action, what, author, certificate, host, message, result, detail }: AuditEntry): string {
  const who = `${author}${certificate ? ` (${certificate})` : ''}${author.endsWith(`@${host}`) ? '' : ` on ${host}`}`;
  const outcome = result === 'done' ? '' : `  ${paint('red', result)}${detail ? `: ${detail.split('\n')[0]}` : ''}`;
  const why = message ? `  ${message.split('\n')[0]}` : '';
  return `${paint('dim', localTime(time))}  ${paint('bold', action)}  ${what}  by ${who}${why}${outcome}`;
}
