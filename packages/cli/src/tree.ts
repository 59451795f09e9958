import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FileEntry, Manifest } from '@quorate/model';

/** Writes a set of files into an empty folder, with modes but without owners: as a folder of version control holds them. */
export async function writeTree(
  folder: string,
  manifest: Manifest,
  read: (entry: FileEntry) => Promise<Uint8Array>,
): Promise<void> {
  for (const entry of manifest) {
    const path = join(folder, entry.path);
    await mkdir(entry.kind === 'directory' ? path : dirname(path), { recursive: true });
    if (entry.kind === 'symlink') await symlink(entry.target, path);
    if (entry.kind === 'file')
      await writeFile(path, await read(entry), { mode: Number.parseInt(entry.mode, 8) & 0o777 });
  }
}
