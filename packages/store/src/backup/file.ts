import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { syncFolder } from '../directory/durable.ts';
import { codeOf } from '../directory/errors.ts';
import { StoreError } from '../errors.ts';
import type { CallOptions, Store } from '../store.ts';
import { type BackupOrigin, INDEX_FILE } from './layout.ts';
import { Backup, type ReadProgress, readOrigin } from './reader.ts';
import { scan } from './scan.ts';
import { type BackupProgress, originOf, takeBackup } from './take.ts';
import { BackupWriter, type Sink } from './writer.ts';

export interface BackupFileOptions extends CallOptions {
  readonly progress?: BackupProgress;
  /** told while what was written is read back */
  readonly verifying?: ReadProgress;
}

export const partialFile = (path: string): string => `${path}.partial`;

/**
 * Backs a store up to a file: first as `FILE.partial`, where an interrupted run is continued, then, read back and found whole, as FILE itself,
 * in place of what may be there.
 * @returns the backup, open @throws as `takeBackup`; StoreError UNSUITABLE_FILE when the file cannot be written
 */
export async function writeBackup(store: Store, path: string, options: BackupFileOptions = {}): Promise<Backup> {
  const partial = partialFile(path);
  await writePartial(store, partial, options);
  const { signal, verifying: progress } = options;
  let backup: Backup;
  try {
    backup = await Backup.open(partial, {
      name: path,
      ...(signal ? { signal } : {}),
      ...(progress ? { progress } : {}),
    });
  } catch (error) {
    if (!(error instanceof StoreError)) throw fileError(path, error);
    await rm(partial, { force: true });
    throw new StoreError(
      'BAD_BACKUP',
      `what was just written could not be read back (${error.message}): is the disk sound?`,
      { cause: error },
    );
  }
  try {
    await rename(partial, path);
    await syncFolder(dirname(path));
    return backup;
  } catch (error) {
    await backup[Symbol.asyncDispose]();
    throw fileError(path, error);
  }
}

async function writePartial(store: Store, partial: string, { signal, progress }: BackupFileOptions): Promise<void> {
  let file: FileHandle;
  try {
    file = await openForWriting(partial);
  } catch (error) {
    throw fileError(partial, error);
  }
  try {
    const found = await whatIsThere(partial, file, store.url, signal);
    await file.truncate(found.end);
    const origin = found.origin ?? originOf(store, new Date());
    const sink = new FileSink(partial, file, found.end);
    const writer = new BackupWriter(sink, origin.time, found.written);
    await takeBackup(store, writer, origin, { ...(signal ? { signal } : {}), ...(progress ? { progress } : {}) });
    await file.sync();
  } catch (error) {
    throw (error as NodeJS.ErrnoException).syscall === undefined ? error : fileError(partial, error);
  } finally {
    await file.close();
  }
}

async function openForWriting(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx+', 0o600);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return open(path, 'r+');
  }
}

interface There {
  readonly origin?: BackupOrigin;
  readonly written: Map<string, string>;
  /** where the next file goes */
  readonly end: number;
}

/** What an interrupted run has left whole. Nothing of it counts when it came from another store. */
async function whatIsThere(name: string, file: FileHandle, url: string, signal?: AbortSignal): Promise<There> {
  const written = new Map<string, string>();
  let origin: BackupOrigin | undefined;
  let end = 0;
  try {
    for await (const found of scan(name, file, signal)) {
      origin ??= await readOrigin(name, file, found);
      if (origin.store !== url) return { written: new Map(), end: 0 };
      if (found.path === INDEX_FILE) break;
      written.set(found.path, found.sha256);
      end = found.end;
    }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error; // up to where it is not as it was written
  }
  return origin ? { origin, written, end } : { written, end };
}

class FileSink implements Sink {
  readonly #path: string;
  readonly #file: FileHandle;
  #at: number;

  constructor(path: string, file: FileHandle, at: number) {
    this.#path = path;
    this.#file = file;
    this.#at = at;
  }

  async write(bytes: Buffer): Promise<void> {
    for (let done = 0; done < bytes.byteLength; ) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.byteLength - done, this.#at);
      if (bytesWritten === 0) throw fileError(this.#path, Object.assign(new Error('no room'), { code: 'ENOSPC' }));
      done += bytesWritten;
      this.#at += bytesWritten;
    }
  }
}

/** Errors of the file system about the file of a backup, with what to do. */
export function fileError(path: string, cause: unknown): Error {
  if (cause instanceof StoreError) return cause;
  const says = (text: string): StoreError => new StoreError('UNSUITABLE_FILE', text, { cause });
  switch (codeOf(cause)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return says(
        `there is no room for ${basename(path)} in ${dirname(path)}: free some and run the same again, it goes on where it was`,
      );
    case 'ENOENT':
      return says(`${dirname(path)} is not there: make the folder, or mount the share`);
    case 'ENOTDIR':
      return says(`${dirname(path)} is no folder`);
    case 'EISDIR':
      return says(`${path} is a folder: name a file in it`);
    case 'EROFS':
      return says(`${dirname(path)} is mounted read-only`);
    case 'EACCES':
    case 'EPERM':
      return says(`this user may not write ${path}`);
    default:
      return cause as Error;
  }
}
