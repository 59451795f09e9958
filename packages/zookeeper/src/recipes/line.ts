import type { Acl } from '../acl.ts';
import type { ZooKeeper } from '../client.ts';
import { abortedError, ZooKeeperError } from '../errors.ts';
import type { Data } from '../multi.ts';
import { childOf, nameOf } from '../paths.ts';
import type { Created } from '../protocol/operations.ts';
import { unprotectedName } from '../recover.ts';
import { Hold, leave } from './hold.ts';

export interface LineOptions {
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
  /** Of the nodes that are made. `OPEN` unless told otherwise. */
  readonly acl?: readonly Acl[];
}

/** The number that a server appended to a sequential node's name. */
function numberOf(name: string): number {
  return Number(name.slice(-10));
}

/** Names of `children` that stand in the line called `label`, the first one first. */
export function inOrder(children: readonly string[], label: string): string[] {
  const standing = children.filter((name) => {
    const plain = unprotectedName(name);
    return plain.startsWith(label) && /^-?\d{10}$/.test(plain.slice(label.length));
  });
  return standing.sort((a, b) => numberOf(a) - numberOf(b));
}

/**
 * Stands in line below `folder`: an ephemeral sequential node, which is at the head when no older one is left. Each
 * waits for the one just before it alone, so that a leaving holder wakes one waiter, not all.
 *
 * Resolves at the head. Throws ABORTED at once, or the error that ended the session; its node leaves the line as soon
 * as a server can be told.
 */
export async function standInLine(
  zk: ZooKeeper,
  folder: string,
  label: string,
  data: Data,
  { signal, ...made }: LineOptions,
): Promise<Hold> {
  await zk.ensure(folder, signal === undefined ? made : { ...made, signal });
  const { path, stat } = await join(zk, childOf(folder, label), data, made, signal);
  try {
    await waitForHead(zk, folder, label, path, signal);
    return new Hold(zk, path, stat.czxid);
  } catch (error) {
    leave(zk, path).catch(() => {
      // The session has ended, and the node with it.
    });
    throw error;
  }
}

/** The create itself is not aborted: an answer that nobody waits for would leave a node that holds up the line. */
async function join(
  zk: ZooKeeper,
  path: string,
  data: Data,
  made: Omit<LineOptions, 'signal'>,
  signal: AbortSignal | undefined,
): Promise<Created> {
  const created = zk.create(path, data, { mode: 'ephemeral_sequential', protected: true, ...made });
  if (signal === undefined) return created;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(abortedError(signal, 'create', path, true));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([created, aborted]);
  } catch (error) {
    created
      .then(({ path: node }) => leave(zk, node))
      .catch(() => {
        // Either the create failed, and there is no node to leave, or the node goes with the session.
      });
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function waitForHead(
  zk: ZooKeeper,
  folder: string,
  label: string,
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const options = signal === undefined ? {} : { signal };
  for (;;) {
    const { children } = await zk.children(folder, options);
    const line = inOrder(children, label);
    const place = line.indexOf(nameOf(path));
    if (place === 0) return;
    if (place === -1) throw lostPlace(path);
    await goneBefore(zk, childOf(folder, line[place - 1]!), signal);
  }
}

/** Waits until the node is deleted, or the signal fires: the read that follows tells which. */
async function goneBefore(zk: ZooKeeper, path: string, signal: AbortSignal | undefined): Promise<void> {
  await using changes = zk.watch(path, signal === undefined ? { kind: 'exists' } : { kind: 'exists', signal });
  if ((await zk.exists(path, signal === undefined ? {} : { signal })) === undefined) return;
  for await (const { type } of changes) if (type === 'deleted') return;
}

function lostPlace(path: string): ZooKeeperError {
  return new ZooKeeperError(
    'LOCK_LOST',
    `${path}: someone deleted this node while it stood in line; stand in line again`,
    {
      path,
    },
  );
}
