/** The part of POSIX tar (ustar) that a backup needs: plain files with names of up to 100 bytes, one after the other. */
export const BLOCK = 512;

/** What ends an archive. */
export const END = Buffer.alloc(2 * BLOCK);

export interface TarFile {
  /** at most 100 bytes of ASCII */
  readonly path: string;
  /** bytes */
  readonly size: number;
  /** seconds since 1970: shown by `tar -tv`, of no meaning here */
  readonly time: number;
}

/** Bytes that a file takes after its header: whole blocks, filled up with zeros. */
export const paddedSize = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

const CHECKSUM = { at: 148, length: 8 };

export function tarHeader({ path, size, time }: TarFile): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  header.write(path, 0, 'latin1');
  header.write(octal(0o600, 7) + octal(0, 7) + octal(0, 7) + octal(size, 11) + octal(time, 11), 100, 'latin1');
  header.fill(' ', CHECKSUM.at, CHECKSUM.at + CHECKSUM.length); // counted as spaces
  header.write('0', 156, 'latin1'); // a plain file
  header.write('ustar\u000000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, CHECKSUM.at, 'latin1');
  return header;
}

/** @returns undefined for what `tarHeader` would not have written */
export function readTarHeader(block: Buffer): TarFile | undefined {
  const text = (at: number, length: number): string => block.toString('latin1', at, at + length).replace(/\0.*$/s, '');
  const file = { path: text(0, 100), size: Number.parseInt(text(124, 12), 8), time: Number.parseInt(text(136, 12), 8) };
  const sound = Number.isSafeInteger(file.size) && Number.isSafeInteger(file.time);
  return sound && tarHeader(file).equals(block) ? file : undefined;
}
