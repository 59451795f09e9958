import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { bucketMount } from '@quorate/store';

/**
 * Why a folder cannot be one that all machines share; undefined where it can. An empty mount point looks like a share on which nothing is yet:
 * so the folder has to be one inside of what is mounted, made by hand once.
 */
export async function unsharedBecause(folder: string): Promise<string | undefined> {
  let here: Awaited<ReturnType<typeof stat>>;
  try {
    here = await stat(folder);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw cause;
    return 'there is no such folder: mount the share, or make the folder on it once';
  }
  if (!here.isDirectory()) return 'it is no folder: name a folder on the share';
  const mounted = await bucketMount(folder);
  if (mounted)
    return `it is a bucket, mounted by ${mounted}, which cannot let exactly one of two machines win: name the bucket itself, s3://BUCKET/PREFIX`;
  if (here.dev === (await stat(dirname(folder))).dev) return undefined;
  return 'it is a mount point, which is an empty folder while nothing is mounted: make a folder inside of the share, and name that';
}
