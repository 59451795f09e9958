import type { CreateNodeOptions, Data, ZooKeeper } from '@quorate/zookeeper';
import { isCode } from './errors.ts';

/** The answer of a read, or undefined where there is no such node. */
export async function orUndefined<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (isCode(error, 'NO_NODE')) return undefined;
    throw error;
  }
}

/** For deletions that may be repeated. */
export function ignoreMissing(error: unknown): void {
  if (!isCode(error, 'NO_NODE')) throw error;
}

export async function childrenOf(zk: ZooKeeper, path: string): Promise<string[]> {
  return (await orUndefined(zk.children(path)))?.children ?? [];
}

/** Creates a node whose content never changes: that it is there already is as good, and an answer that was lost is asked for again. */
export async function createFixed(
  zk: ZooKeeper,
  path: string,
  data: Data,
  options: CreateNodeOptions | undefined,
): Promise<void> {
  try {
    await zk.create(path, data, options);
  } catch (error) {
    if (isCode(error, 'NODE_EXISTS')) return;
    if (isCode(error, 'CONNECTION_LOSS')) return createFixed(zk, path, data, options);
    throw error;
  }
}
