import { type OpenOptions, openStore, type Store, StoreError } from '@quorate/store';
import { unsharedBecause } from '../share.ts';

/** @throws StoreError UNSUITABLE for a folder that only looks like an archive: one that is missing, or not inside of what is mounted */
export async function checkArchive(to: string): Promise<void> {
  const [, folder] = /^dir:(.*)$/.exec(to) ?? [];
  const fault = folder === undefined ? undefined : await unsharedBecause(folder);
  if (fault) throw new StoreError('UNSUITABLE', `the archive ${to}: ${fault}`);
}

/** The store behind an ensemble. @throws StoreError as `openStore` and `checkArchive` do */
export async function openArchive(to: string, options: OpenOptions = {}): Promise<Store> {
  await checkArchive(to);
  return openStore(to, options);
}
