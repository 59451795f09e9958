import { link, open, readFile, rename, rm } from 'node:fs/promises';
import { StoreError } from '../errors.ts';
import { syncFolder, temporaryName } from './durable.ts';
import { codeOf, isMissing } from './errors.ts';
import { bucketMount } from './mount.ts';

/** What file systems say that do not have a call. */
const LACKING = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL', 'EXDEV', 'EMLINK'];
/** Times that this is begun anew because a collector took its files for garbage. */
const AGAIN = 20;

/** What the store needs of a mount, each by the system call that shows it. */
const NEEDED: Readonly<Record<string, string>> = {
  link: 'hard links (link(2)), by which exactly one of two publishers wins',
  rename: 'renames over a file that is there (rename(2)), by which a file changes in one step',
  fsync: 'fsync(2) of files and folders, without which nothing is known to be stored',
};

/**
 * Sees with files of its own whether a folder's mount has what a store needs.
 * @throws StoreError UNSUITABLE that names what it lacks; else what the file system says
 */
export async function checkSuits(folder: string): Promise<void> {
  for (let round = 0; ; round++) {
    const names = [1, 2, 3].map(() => temporaryName(folder)) as [string, string, string];
    try {
      return await tryOut(folder, names);
    } catch (error) {
      if (isMissing(error) && round < AGAIN) continue;
      const { syscall = '' } = error as NodeJS.ErrnoException;
      const needed = NEEDED[syscall];
      if (!needed || !LACKING.includes(codeOf(error) ?? '')) throw error;
      throw await unsuitable(folder, `it has no ${needed}`, error);
    } finally {
      for (const name of names) await rm(name, { force: true });
    }
  }
}

async function tryOut(folder: string, [one, two, other]: [string, string, string]): Promise<void> {
  await write(one, 'one');
  await write(other, 'other');
  await link(one, two);
  const again = await link(other, two).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!again) throw await unsuitable(folder, 'its hard links let two win where one should');
  if (codeOf(again) !== 'EEXIST') throw again;
  await rename(other, two);
  await syncFolder(folder);
  const text = await readFile(two, 'utf8');
  if (text !== 'other') throw await unsuitable(folder, `a file that was replaced reads as ${JSON.stringify(text)}`);
}

async function write(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function unsuitable(folder: string, why: string, cause?: unknown): Promise<StoreError> {
  const mounted = await bucketMount(folder);
  const advice = mounted
    ? `it is a bucket, mounted by ${mounted}: name the bucket itself as the store, s3://BUCKET/PREFIX`
    : 'use a local disk, EFS or another NFS mount';
  return new StoreError('UNSUITABLE', `the mount of ${folder} cannot hold a store: ${why}; ${advice}`, { cause });
}

/** @throws StoreError UNSUITABLE for a bucket that is mounted as a folder, which would not even show what others publish in time */
export async function refuseBucketMount(folder: string): Promise<void> {
  const mounted = await bucketMount(folder);
  if (!mounted) return;
  throw new StoreError(
    'UNSUITABLE',
    `${folder} is a bucket, mounted by ${mounted}: such a mount cannot let exactly one of two publishers win, and shows late what others did. Name the bucket itself as the store, s3://BUCKET/PREFIX`,
  );
}
