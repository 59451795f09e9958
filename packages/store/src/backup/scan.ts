import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { StoreError } from '../errors.ts';
import { mostBytes, type Part, partAt } from './layout.ts';
import { BLOCK, END, paddedSize, readTarHeader } from './tar.ts';

/** One file of a backup, as it was found. */
export interface Found {
  readonly path: string;
  readonly part: Part | undefined;
  /** where its content begins, in bytes from the start of the backup */
  readonly at: number;
  readonly size: number;
  readonly sha256: string;
  /** where the next one begins */
  readonly end: number;
}

const CHUNK = 1024 * 1024;

/**
 * Every file of a backup in its order, each read whole and hashed.
 * @throws StoreError NOT_A_BACKUP; BAD_BACKUP at the first byte that is not as it was written, or when the end is missing
 */
export async function* scan(name: string, file: FileHandle, signal?: AbortSignal): AsyncGenerator<Found> {
  const bytes = new Bytes(file);
  for (;;) {
    signal?.throwIfAborted();
    const from = bytes.at;
    const block = await bytes.upTo(BLOCK);
    const header = block.byteLength === BLOCK ? readTarHeader(block) : undefined;
    if (from === 0 && header?.path !== 'format.json') throw notABackup(name, block);
    if (block.equals(END.subarray(BLOCK))) {
      const rest = await bytes.upTo(BLOCK + 1);
      if (rest.equals(END.subarray(BLOCK))) return;
      throw rest.byteLength < BLOCK ? cutOff(name) : damaged(name, from);
    }
    if (block.byteLength < BLOCK) throw cutOff(name);
    if (!header) throw damaged(name, from);
    const { path, size } = header;
    const part = partAt(path);
    if (size > mostBytes(part)) throw damaged(name, from);
    const sha256 = await hashOf(name, bytes, size);
    if (part?.kind === 'blob' && part.sha256 !== sha256) throw damaged(name, from);
    yield { path, part, at: from + BLOCK, size, sha256, end: bytes.at };
  }
}

/** The hash of the next `size` bytes; the zeros that fill their last block are checked and passed. */
async function hashOf(name: string, bytes: Bytes, size: number): Promise<string> {
  const hash = createHash('sha256');
  for (let left = size; left > 0; ) {
    const chunk = await bytes.take(left);
    if (chunk.byteLength === 0) throw cutOff(name);
    hash.update(chunk);
    left -= chunk.byteLength;
  }
  const from = bytes.at;
  const fill = await bytes.upTo(paddedSize(size) - size);
  if (fill.byteLength < paddedSize(size) - size) throw cutOff(name);
  if (fill.some((byte) => byte !== 0)) throw damaged(name, from);
  return hash.digest('hex');
}

/** A file from its start to its end, in large reads. */
class Bytes {
  /** how much was taken */
  at = 0;
  readonly #file: FileHandle;
  readonly #buffer = Buffer.allocUnsafe(CHUNK);
  #chunk = Buffer.alloc(0);

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** At least one byte and at most `most`, good until the next call; none at the end of the file. */
  async take(most: number): Promise<Buffer> {
    if (this.#chunk.byteLength === 0) {
      const { bytesRead } = await this.#file.read(this.#buffer, 0, CHUNK, this.at);
      this.#chunk = this.#buffer.subarray(0, bytesRead);
    }
    const taken = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(taken.byteLength);
    this.at += taken.byteLength;
    return taken;
  }

  /** `count` bytes, fewer only at the end of the file. */
  async upTo(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = count; left > 0; ) {
      const taken = await this.take(left);
      if (taken.byteLength === 0) break;
      parts.push(Buffer.from(taken));
      left -= taken.byteLength;
    }
    return Buffer.concat(parts);
  }
}

const MAGIC: readonly [string, string][] = [
  ['1f8b', 'gzip -dc'],
  ['28b52ffd', 'zstd -dc'],
  ['fd377a585a00', 'xz -dc'],
  ['425a68', 'bzip2 -dc'],
];

function notABackup(name: string, start: Buffer): StoreError {
  if (start.byteLength === 0) return new StoreError('BAD_BACKUP', `${name} is empty`);
  const unpack = MAGIC.find(([magic]) => start.toString('hex').startsWith(magic))?.[1];
  const why = unpack
    ? `it is compressed; unpack it first, as in \`${unpack} FILE | quorate ensemble restore -\``
    : 'name a file that `quorate ensemble backup` wrote';
  return new StoreError('NOT_A_BACKUP', `${name} is no backup of Quorate: ${why}`);
}

const cutOff = (name: string): StoreError => new StoreError('BAD_BACKUP', `${name} is cut off: its end is missing`);

export const damaged = (name: string, at: number): StoreError =>
  new StoreError('BAD_BACKUP', `${name} is damaged at byte ${at}: it is not as it was written`);
