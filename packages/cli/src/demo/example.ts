import { cp, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FILES = fileURLToPath(new URL('../../example/nginx', import.meta.url));

/** Lays down an nginx tree as Debian has it: folders, files, and a site that is enabled by a link. */
export async function layExample(folder: string): Promise<void> {
  await cp(FILES, folder, { recursive: true });
  await mkdir(join(folder, 'sites-enabled'));
  // made here: npm leaves links out of packages
  await symlink('../sites-available/shop.conf', join(folder, 'sites-enabled/shop.conf'));
}
