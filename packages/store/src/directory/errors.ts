import { constants } from 'node:os';
import { StoreError } from '../errors.ts';

/** Names that Node does not know for some numbers: ESTALE and EDQUOT come as `Unknown system error -116`. */
const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [-number, name]));

/** The name of a system call's error; undefined for other errors. */
export function codeOf(error: unknown): string | undefined {
  const { code, errno } = error as NodeJS.ErrnoException;
  return (errno === undefined ? undefined : NAMES.get(errno)) ?? code;
}

export const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '');

/** What a file system says whose disk or server failed: what was asked for may have been done or not. */
const LOST = [
  'EIO',
  'ESTALE',
  'ETIMEDOUT',
  'ENOTCONN',
  'ECONNRESET',
  'ECONNABORTED',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EREMOTEIO',
];

export const isLost = (error: unknown): boolean => LOST.includes(codeOf(error) ?? '');

/** Errors of the file system as what they mean for a store. */
export function storeError(what: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  const { message } = cause as Error;
  const says = (word: StoreError['code'], text: string): StoreError =>
    new StoreError(word, `${what}: ${text}`, { cause });
  if (isLost(cause)) return says('UNREACHABLE', message);
  switch (codeOf(cause)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return says('UNSUITABLE', 'the disk is full; free some room and try again, nothing was lost');
    case 'EROFS':
      return says('UNSUITABLE', 'the file system is mounted read-only');
    case 'EACCES':
    case 'EPERM':
      return says('NOT_ALLOWED', message);
    default:
      return says('UNSUITABLE', message);
  }
}
