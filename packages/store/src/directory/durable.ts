import { constants, type FileHandle, link, mkdir, open, rename, rm, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StoreError } from '../errors.ts';

let counter = 0;

/** A name that no other process and no earlier run uses. */
function temporaryName(folder: string): string {
  return join(folder, `.new-${process.pid}-${process.hrtime.bigint().toString(36)}-${counter++}`);
}

/** Errors of the file system as what they mean for a store. */
export function storeError(what: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new StoreError('UNSUITABLE', `${what}: the disk is full; free some room and try again, nothing was lost`, {
      cause,
    });
  if (code === 'EROFS') return new StoreError('UNSUITABLE', `${what}: the file system is mounted read-only`, { cause });
  if (code === 'EACCES' || code === 'EPERM') return new StoreError('NOT_ALLOWED', `${what}: ${message}`, { cause });
  if (code === 'ESTALE' || code === 'EIO' || code === 'ENOTCONN')
    return new StoreError('UNREACHABLE', `${what}: ${message}`, { cause });
  return new StoreError('UNSUITABLE', `${what}: ${message}`, { cause });
}

/** Makes folders, and syncs those above the ones that were made, so that they survive a power loss. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let at = folder; at.length >= first.length; at = dirname(at)) await syncFolder(dirname(at));
}

export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeTemporary(folder: string, bytes: Uint8Array): Promise<string> {
  const path = temporaryName(folder);
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'wx', 0o600);
    await handle.writeFile(bytes);
    await handle.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await handle?.close();
  }
  return path;
}

/**
 * Creates a file whole and durable, or not at all: the compare-and-set of a shared folder, since link(2) lets exactly one win, on NFS too.
 * @returns false when the name is taken
 */
export async function createFile(path: string, bytes: Uint8Array, options: { sync?: boolean } = {}): Promise<boolean> {
  const folder = dirname(path);
  const temporary = await writeTemporary(folder, bytes);
  try {
    await link(temporary, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (code === 'EPERM' || code === 'ENOSYS' || code === 'ENOTSUP' || code === 'EOPNOTSUPP') {
      throw new StoreError(
        'UNSUITABLE',
        `${folder} does not support hard links, which a store needs to let exactly one publisher win: use a local disk, EBS, EFS or NFS`,
        {
          cause: error,
        },
      );
    }
    throw error;
  } finally {
    await unlink(temporary);
  }
  if (options.sync !== false) await syncFolder(folder);
  return true;
}

/** Puts a file in place of what may be there, whole and durable. */
export async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = await writeTemporary(dirname(path), bytes);
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

export const isMissing = (error: unknown): boolean => {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
};
