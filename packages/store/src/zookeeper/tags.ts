import { checkBundleName, decodeTags, encodeTags, protectedFrom, type Tag } from '@quorate/model';
import { op, type ZooKeeper } from '@quorate/zookeeper';
import { StoreError } from '../errors.ts';
import { recordError } from '../format.ts';
import type { VersionedTags } from '../store.ts';
import type { AclOption } from './acls.ts';
import { isCode } from './errors.ts';
import { childrenOf, orUndefined } from './missing.ts';
import { releasePath, releasesPath, tagsPath } from './paths.ts';

/** Releases whose records are deleted in one transaction. */
const BATCH = 200;
/** Times that tags may change in between before a later run has to finish. */
const ROUNDS = 50;

export async function readTags(zk: ZooKeeper, bundle: string): Promise<VersionedTags> {
  checkBundleName(bundle);
  const read = await orUndefined(zk.get(tagsPath(bundle)));
  if (!read) return { tags: [] };
  try {
    return { tags: decodeTags(read.data), version: String(read.stat.version) };
  } catch (error) {
    throw recordError(tagsPath(bundle), error) ?? error;
  }
}

/** @returns false when they were changed since that version */
export async function replaceTags(
  zk: ZooKeeper,
  bundle: string,
  tags: readonly Tag[],
  version: string | undefined,
  acl: AclOption,
): Promise<boolean> {
  checkBundleName(bundle);
  try {
    if (version === undefined) await zk.create(tagsPath(bundle), encodeTags(tags), acl);
    else await zk.set(tagsPath(bundle), encodeTags(tags), { version: Number(version) });
    return true;
  } catch (error) {
    if (isCode(error, 'BAD_VERSION', 'NODE_EXISTS')) return false;
    throw error;
  }
}

/**
 * Removes the oldest of these releases that no tag protects, oldest first, so that what stays is always one line without gaps. Each transaction
 * holds only if the tags are still those that were read.
 * @param old ascending
 */
export async function removeUnprotected(
  zk: ZooKeeper,
  bundle: string,
  old: readonly number[],
  acl: AclOption,
): Promise<number> {
  let removed = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { tags, version } = await readTags(zk, bundle);
    if (version === undefined) {
      await replaceTags(zk, bundle, [], undefined, acl); // so that there is a version to check
      continue;
    }
    const there = new Set(await childrenOf(zk, releasesPath(bundle)));
    const going = old.filter((number) => number < protectedFrom(tags) && there.has(String(number)));
    try {
      for (let at = 0; at < going.length; at += BATCH) {
        const deletions = going.slice(at, at + BATCH).map((number) => op.delete(releasePath(bundle, number)));
        await zk.multi([op.check(tagsPath(bundle), Number(version)), ...deletions]);
        removed += deletions.length;
      }
      return removed;
    } catch (error) {
      if (!isCode(error, 'BAD_VERSION', 'NO_NODE')) throw error; // else other tags, or another collector: look again
    }
  }
  throw new StoreError('CONFLICT', `the tags of ${bundle} changed again and again: run it again; nothing was lost`);
}
