import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

/** How SnapStream of ZooKeeper seals each snapshot that it has written whole: a string of one character, `/`. */
const SEAL = Buffer.from([0, 0, 0, 1, 0x2f]);
const MAGIC = Buffer.from('ZKSN');

/**
 * The zxid that the newest whole snapshot is named for: every transaction up to it is in there. 0 where there is none.
 * One that a crash has torn does not count, neither here nor for ZooKeeper.
 * @param names what the folder holds
 */
export async function newestSnapshot(data: string, names: readonly string[]): Promise<bigint> {
  const snapshots = names
    .map((name) => ({ name, zxid: /^snapshot\.([0-9a-f]{1,16})(?:\.gz|\.snappy)?$/.exec(name)?.[1] }))
    .flatMap(({ name, zxid }) => (zxid === undefined ? [] : [{ name, zxid: BigInt(`0x${zxid}`) }]))
    .sort((one, other) => (one.zxid > other.zxid ? -1 : 1));
  for (const { name, zxid } of snapshots) if (await isWhole(join(data, name))) return zxid;
  return 0n;
}

async function isWhole(path: string): Promise<boolean> {
  // snappy's frames carry their own checksums, which only a reader of them can check: ZooKeeper, too, takes these by their head
  if (path.endsWith('.snappy')) return true;
  if (path.endsWith('.gz')) return await isWholeGzip(path);
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size < MAGIC.length + SEAL.length) return false;
    const head = Buffer.alloc(MAGIC.length);
    const tail = Buffer.alloc(SEAL.length);
    await file.read(head, 0, head.length, 0);
    await file.read(tail, 0, tail.length, size - tail.length);
    return head.equals(MAGIC) && tail.equals(SEAL);
  } finally {
    await file.close();
  }
}

async function isWholeGzip(path: string): Promise<boolean> {
  try {
    const content = await promisify(gunzip)(await readFile(path));
    return content.subarray(0, MAGIC.length).equals(MAGIC);
  } catch {
    // torn, or bits lost: gzip's own checksum says so
    return false;
  }
}
