import { ask } from './ask.ts';
import { ZooKeeperError } from './errors.ts';
import { childOf } from './paths.ts';
import { CHILDREN } from './protocol/operations.ts';
import type { Session } from './session.ts';
import type { WatchEvent, Watcher } from './watch-table.ts';

/** Nodes that are looked at together. */
const WIDTH = 64;

/**
 * A server sets persistent watches again after a reconnect but does not tell what was missed meanwhile. This looks for
 * it: every change leaves a transaction number in the stat of the node, or of the parent for a node that is gone.
 * What is found is told as events without a zxid. In a recursive stream `children` then means that a child of this
 * node was created or deleted. A change that comes during the search may be told twice.
 */
export async function tellMissed(session: Session, zxid: bigint): Promise<void> {
  const looks = [...session.watches.persistent()].map(({ path, recursive, watchers }) => {
    const concerned = [...watchers];
    const tell = (type: WatchEvent['type'], at: string) => {
      for (const watcher of concerned) watcher.notify(type, at, undefined);
    };
    return recursive ? searchTree(session, path, zxid, tell) : searchNode(session, path, zxid, tell).then(() => {});
  });
  try {
    await Promise.all(looks);
  } catch (error) {
    endUnsure(session, error);
  }
}

/** A search that failed for good cannot promise that nothing was missed, so the streams must not go on as if. */
function endUnsure(session: Session, error: unknown): void {
  if (session.ended) return;
  const watchers = new Set<Watcher>();
  for (const { path } of session.watches.persistent()) {
    for (const watcher of session.watches.take(path, ['persistent', 'persistent_recursive'])) watchers.add(watcher);
  }
  for (const watcher of watchers) watcher.end(error);
}

type Tell = (type: WatchEvent['type'], path: string) => void;

/** Tells what happened to one node; answers its children. */
async function searchNode(session: Session, path: string, zxid: bigint, tell: Tell): Promise<string[]> {
  try {
    const { children, stat } = await ask(session, CHILDREN, path, () => ({ path, watch: false }));
    if (stat.czxid > zxid) tell('created', path);
    else if (stat.mzxid > zxid) tell('changed', path);
    if (stat.pzxid > zxid && stat.pzxid !== stat.czxid) tell('children', path);
    return children;
  } catch (error) {
    if (!(error instanceof ZooKeeperError)) throw error;
    if (error.code === 'NO_NODE') tell('deleted', path);
    // What this session may not read, it gets no events for either.
    else if (error.code !== 'NO_AUTH') throw error;
    return [];
  }
}

async function searchTree(session: Session, root: string, zxid: bigint, tell: Tell): Promise<void> {
  let level = [root];
  while (level.length > 0) {
    const next: string[] = [];
    for (let at = 0; at < level.length; at += WIDTH) {
      const some = level.slice(at, at + WIDTH);
      const found = await Promise.all(some.map((path) => searchNode(session, path, zxid, tell)));
      for (const [index, children] of found.entries()) {
        for (const name of children) next.push(childOf(some[index]!, name));
      }
    }
    level = next;
  }
}
