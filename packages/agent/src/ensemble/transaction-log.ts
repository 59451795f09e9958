import { open } from 'node:fs/promises';
import { join } from 'node:path';

/** `ZKLG`, version 2, database id: FileTxnLog of ZooKeeper. */
const MAGIC = 0x5a_4b_4c_47;
const HEADER = 16;
/** clientId, cxid, zxid, time, type: the header of each transaction. */
const ZXID_AT = 12;
const RECORD_LEAST = 32;
/** A transaction is below jute.maxbuffer (1 MB) and what ZooKeeper adds to it; anything longer is no record. Bytes. */
const RECORD_MOST = 64 * 1024 * 1024;
const END = 0x42;

/**
 * The last whole transaction of a data folder's logs; 0 where there is none. Each record is checked by its checksum, and the first
 * that fails ends its log, as it does for ZooKeeper: a crash tears the tail, and space reserved in advance is zeros.
 * @param names what the folder holds
 */
export async function lastTransaction(data: string, names: readonly string[]): Promise<bigint> {
  const logs = names
    .filter((name) => /^log\.[0-9a-f]{1,16}$/.test(name))
    .map((name) => ({ name, first: BigInt(`0x${name.slice(4)}`) }))
    .sort((one, other) => (one.first > other.first ? -1 : 1));
  for (const { name } of logs) {
    const last = await lastOf(join(data, name));
    if (last !== undefined) return last;
  }
  return 0n;
}

async function lastOf(path: string): Promise<bigint | undefined> {
  const file = await open(path, 'r');
  try {
    const head = await bytes(HEADER, 0);
    if (!head || head.readInt32BE(0) !== MAGIC) return undefined;
    let last: bigint | undefined;
    for (let at = HEADER; ; ) {
      const lead = await bytes(12, at);
      if (!lead) return last;
      const length = lead.readInt32BE(8);
      if (length < RECORD_LEAST || length > RECORD_MOST) return last;
      const record = await bytes(length + 1, at + 12);
      if (!record || record[length] !== END) return last;
      if (lead.readBigInt64BE(0) !== BigInt(adler32(record.subarray(0, length)))) return last;
      last = record.readBigInt64BE(ZXID_AT);
      at += 12 + length + 1;
    }
  } finally {
    await file.close();
  }

  async function bytes(count: number, at: number): Promise<Buffer | undefined> {
    const buffer = Buffer.alloc(count);
    const { bytesRead } = await file.read(buffer, 0, count, at);
    return bytesRead === count ? buffer : undefined;
  }
}

/** RFC 1950's checksum, which ZooKeeper's logs carry. */
export function adler32(data: Uint8Array): number {
  let low = 1;
  let high = 0;
  for (let at = 0; at < data.length; ) {
    // so many sums fit before the remainder must be taken
    const end = Math.min(at + 3800, data.length);
    for (; at < end; at++) {
      low += data[at]!;
      high += low;
    }
    low %= 65_521;
    high %= 65_521;
  }
  return high * 65_536 + low;
}
