import { statfs } from 'node:fs/promises';
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
