import type { ZooKeeper } from '../client.ts';
import { childOf } from '../paths.ts';
import type { Hold } from './hold.ts';
import { inOrder, type LineOptions, standInLine } from './line.ts';

const LABEL = 'lock-';

/**
 * A lock that one holder has at a time, first come, first served.
 *
 * @example
 * const lock = new Lock(zk, '/locks/deploy');
 * await using held = await lock.acquire({ signal: AbortSignal.timeout(5_000) });
 * await deploy({ signal: held.signal }); // stops when the lock is lost
 */
export class Lock {
  readonly path: string;
  readonly #zk: ZooKeeper;
  readonly #name: string;

  /** `path` is the lock's own folder; `name` tells others who holds or waits. */
  constructor(zk: ZooKeeper, path: string, name = '') {
    this.#zk = zk;
    this.path = path;
    this.#name = name;
  }

  /** Waits for it. Throws ABORTED when the signal fires first, or the error that ended the session. */
  acquire(options: LineOptions = {}): Promise<Hold> {
    return standInLine(this.#zk, this.path, LABEL, this.#name, options);
  }

  /** The names of the holder and of those who wait, in their order. */
  async contenders(): Promise<string[]> {
    return namesInLine(this.#zk, this.path, LABEL);
  }
}

/** What those who stand in line wrote into their nodes, the head first. */
export async function namesInLine(zk: ZooKeeper, path: string, label: string): Promise<string[]> {
  if ((await zk.exists(path)) === undefined) return [];
  const { children } = await zk.children(path);
  const reads = inOrder(children, label).map((name) =>
    zk.get(childOf(path, name)).then(
      ({ data }) => data.toString(),
      (error) => {
        // It left between the two reads.
        if (error.code === 'NO_NODE') return undefined;
        throw error;
      },
    ),
  );
  return (await Promise.all(reads)).filter((name) => name !== undefined);
}
