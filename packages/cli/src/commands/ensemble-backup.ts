import { stat } from 'node:fs/promises';
import { lockFile } from '@quorate/agent';
import type { Store } from '@quorate/store';
import {
  type Backup,
  type BackupProgress,
  BackupWriter,
  fileError,
  originOf,
  partialFile,
  takeBackup,
  writeBackup,
} from '@quorate/store/backup';
import { Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { interruptible } from '../interrupt.ts';
import { bytesText, type Progress, progressOf } from '../output/progress.ts';
import { paint } from '../output/style.ts';
import { table } from '../output/table.ts';
import { whenUnread } from '../output/unread.ts';

/** All bundles, releases, heads and contents of a store as one file; as `-` to whatever reads our output. */
export async function backup(file: string, flags: GlobalFlags): Promise<number> {
  await using context = await Context.open(flags);
  if (file === '-') return await toOutput(context);
  if (!context.yes) await refuseOther(file);
  const store = await context.store();
  using _lock = await lockPartial(file);
  using interrupt = interruptible(`run the same again: it goes on with ${partialFile(file)}`);
  const taking = progressOf('backing up');
  const reading = progressOf('verifying');
  try {
    await using backup = await writeBackup(store, file, {
      signal: interrupt.signal,
      progress: showing(taking),
      verifying: (done, all) => {
        taking.end();
        reading(done / all, `${bytesText(done)} of ${bytesText(all)}`);
      },
    });
    taking.end();
    reading.end();
    context.print(
      described(backup),
      () => `${paint('green', '✓')} ${file} holds ${store.url}, verified\n${contentsOf(backup)}`,
    );
    return EXIT.done;
  } finally {
    taking.end();
    reading.end();
  }
}

const showing =
  (show: Progress): BackupProgress =>
  (done, all) =>
    show(
      all.releases === 0 ? 1 : done.releases / all.releases,
      `${done.releases} of ${all.releases} releases, ${bytesText(done.bytes)}`,
    );

/** One backup to a file at a time. */
async function lockPartial(file: string): Promise<Disposable> {
  const partial = partialFile(file);
  let lock: Disposable | undefined;
  try {
    lock = await lockFile(partial);
  } catch (error) {
    throw fileError(partial, error);
  }
  if (lock) return lock;
  throw new CliError(
    EXIT.failed,
    `another process is writing ${partial}`,
    'wait until it has ended, or name another file',
  );
}

async function refuseOther(file: string): Promise<void> {
  const there = await stat(file).catch(() => undefined); // absence is what is hoped for; other troubles are told when it is written
  if (there?.isDirectory())
    throw new CliError(
      EXIT.usage,
      `${file} is a folder`,
      `name a file in it, such as ${file.replace(/\/$/, '')}/quorate.tar`,
    );
  if (there)
    throw new CliError(EXIT.usage, `${file} is there already`, 'choose another name, or add --yes to replace it');
}

async function toOutput(context: Context): Promise<number> {
  if (process.stdout.isTTY)
    throw new CliError(
      EXIT.usage,
      'a backup is nothing for a terminal',
      'name a file, or pipe it: quorate ensemble backup - | zstd > FILE',
    );
  const store: Store = await context.store();
  whenUnread((error) => {
    process.stderr.write(
      `${paint('red', 'quorate:')} nobody reads the backup any more: ${error.message}\n→ look at what it was piped into\n`,
    );
    process.exit(EXIT.failed);
  });
  using interrupt = interruptible('what was written is no whole backup: throw it away and run the same again');
  const taking = progressOf('backing up');
  const origin = originOf(store, new Date());
  const writer = new BackupWriter({ write: writeOutput }, origin.time);
  try {
    await takeBackup(store, writer, origin, {
      signal: interrupt.signal,
      progress: showing(taking),
    });
  } finally {
    taking.end();
  }
  return EXIT.done;
}

/** No faster than it is read. */
function writeOutput(bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

/** A backup for programs. */
export function described(backup: Backup): object {
  const { name, size, sha256, origin, lines } = backup;
  const bundles = lines.map(({ bundle, releases, tags }) => ({
    bundle,
    first: releases.at(-1)!.number,
    head: releases[0]!.number,
    digest: releases[0]!.digest,
    tags: tags.map(({ name }) => name),
  }));
  return { file: name, size, sha256, store: origin.store, time: origin.time, releases: backup.releases, bundles };
}

/** A backup for people. */
export function contentsOf(backup: Backup): string {
  const rows = backup.lines.map(({ bundle, releases }) => [
    bundle,
    releases.length === 1 ? String(releases[0]!.number) : `${releases.at(-1)!.number}–${releases[0]!.number}`,
    releases[0]!.digest.slice(0, 16),
  ]);
  const told = `${bytesText(backup.size)}, begun at ${backup.origin.time}\nSHA256SUMS ${backup.sha256}`;
  return rows.length === 0 ? `${told}\nno bundles` : `${told}\n\n${table(['bundle', 'releases', 'head'], rows)}`;
}
