import { readFile, realpath, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isMissing } from './errors.ts';

/** File systems whose changes by other machines no kernel event tells; numbers of statfs(2) and linux/magic.h. */
const REMOTE = new Set([
  0x6969, // NFS, EFS
  0x517b, // SMB
  0xff534d42, // CIFS
  0xfe534d42, // SMB 2 and later
  0x65735546, // FUSE, virtiofs
  0x01021997, // 9p
  0x00c36400, // Ceph
  0x0bd00bd0, // Lustre
  0x5346414f, // AFS
  0x01161970, // GFS2
  0x7461636f, // OCFS2
]);

/** Whether the kernel tells of every change below a folder, which need not be there yet. */
export async function tellsChanges(folder: string): Promise<boolean> {
  for (let at = folder; ; at = dirname(at)) {
    try {
      return !REMOTE.has((await statfs(at)).type >>> 0);
    } catch (error) {
      if (at === dirname(at) || !isMissing(error)) return false; // whatever is wrong there is told by the first real use
    }
  }
}

/** Programs that show a bucket as a folder, as they call themselves in the list of mounts. */
const BUCKET_MOUNTS = [
  'mountpoint-s3',
  's3fs',
  'goofys',
  'geesefs',
  'rclone',
  'gcsfuse',
  'blobfuse2',
  'riofs',
  'yas3fs',
];

/** The program that shows a bucket as the folder that a path is in, which need not be there yet; undefined where it is no such folder. */
export async function bucketMount(path: string): Promise<string | undefined> {
  for (let at = path; ; at = dirname(at)) {
    try {
      return bucketMountIn(await readFile('/proc/self/mountinfo', 'utf8'), await realpath(at));
    } catch (error) {
      if (at === dirname(at) || !isMissing(error)) return undefined; // no Linux, or something that the first real use tells
    }
  }
}

/** @param mounts as proc_pid_mountinfo(5) has them */
export function bucketMountIn(mounts: string, path: string): string | undefined {
  let found: { readonly point: string; readonly names: string } | undefined;
  for (const line of mounts.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const point = (before.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, code) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    );
    const isAbove = point === '/' || path === point || path.startsWith(`${point}/`);
    // of two mounts on one point the later one is seen
    if (point !== '' && isAbove && point.length >= (found?.point.length ?? 0)) found = { point, names: after };
  }
  const [type = '', source = ''] = found?.names.split(' ') ?? [];
  if (!type.startsWith('fuse')) return undefined;
  return BUCKET_MOUNTS.find((name) => type === `fuse.${name}` || source === name || source.startsWith(`${name}:`));
}
