import { constants, type FileHandle, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StoreError } from '../errors.ts';
import { codeOf, isMissing } from './errors.ts';

/** How names of unfinished files begin. Whoever collects garbage may remove them: their owner writes them again. */
const UNFINISHED = '.new-';
/** Times that a file is written again because a collector took its unfinished one for garbage. */
const AGAIN = 50;

let counter = 0;

/** A name that no other process and no earlier run uses. */
export function temporaryName(folder: string): string {
  return join(folder, `${UNFINISHED}${process.pid}-${process.hrtime.bigint().toString(36)}-${counter++}`);
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
 * @param options.sync false where the caller syncs the folder itself, once for many files
 * @returns false when the name is taken
 */
export async function createFile(path: string, bytes: Uint8Array, options: { sync?: boolean } = {}): Promise<boolean> {
  const folder = dirname(path);
  for (let round = 0; ; round++) {
    const temporary = await writeTemporary(folder, bytes);
    try {
      const created = await linkNew(temporary, path);
      if (created && options.sync !== false) await syncFolder(folder);
      return created;
    } catch (error) {
      if (!isMissing(error) || round === AGAIN) throw error; // missing: a collector took it for garbage
    } finally {
      await rm(temporary, { force: true });
    }
  }
}

async function linkNew(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    const code = codeOf(error);
    // over NFS the answer may be lost, and the repeated call then finds its own work: the file has two names (open(2), O_EXCL)
    if (code === 'EEXIST') return (await linksOf(temporary)) === 2;
    if (code === 'EPERM' || code === 'ENOSYS' || code === 'ENOTSUP' || code === 'EOPNOTSUPP') {
      throw new StoreError(
        'UNSUITABLE',
        `${dirname(path)} does not support hard links, which a store needs to let exactly one publisher win: use a local disk, EBS, EFS or NFS`,
        { cause: error },
      );
    }
    throw error;
  }
}

async function linksOf(path: string): Promise<number> {
  try {
    return (await stat(path)).nlink;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

/** Puts a file in place of what may be there, whole and durable. */
export async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  for (let round = 0; ; round++) {
    const temporary = await writeTemporary(dirname(path), bytes);
    try {
      await rename(temporary, path);
      await syncFolder(dirname(path));
      return;
    } catch (error) {
      await rm(temporary, { force: true });
      if (!isMissing(error) || round === AGAIN) throw error; // missing: a collector took it for garbage
    }
  }
}

/** Removes what writers who died left behind. One that lives writes it again. */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await namesIn(folder)) {
    if (name.startsWith(UNFINISHED)) await rm(join(folder, name), { force: true });
  }
}

/** What a folder holds; nothing where there is no folder. */
export async function namesIn(folder: string): Promise<string[]> {
  return (await lookAgain(folder, () => readdir(folder))) ?? [];
}

/**
 * What a look at a path finds; undefined where nothing is. A network mount may remember for a minute that a name was missing, or what file
 * it led to; it asks its server when a folder is opened (close-to-open consistency, nfs(5)). So before nothing is believed, the folder above
 * is listed.
 */
export async function lookAgain<T>(path: string, look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (!isMissing(error) && codeOf(error) !== 'ESTALE') throw error; // nothing there, or not what it was: look again
  }
  await namesIn(dirname(path));
  try {
    return await look();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
