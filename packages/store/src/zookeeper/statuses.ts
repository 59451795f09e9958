import { comparePaths, decodeStatus, encodeStatus, type InstanceStatus } from '@quorate/model';
import type { ZooKeeper } from '@quorate/zookeeper';
import { recordError } from '../format.ts';
import { isCode } from './errors.ts';
import { childrenOf, ignoreMissing, orUndefined } from './missing.ts';
import { INSTANCES, instancePath } from './paths.ts';
import type { Tree } from './tree.ts';

/** What instances tell about themselves: ephemeral nodes, which go with the session that showed them. */
export class Statuses {
  readonly #tree: Tree;
  #own: InstanceStatus | undefined;

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /**
   * The reply carries the leader's time.
   * @returns this clock minus the leader's and the bound of the error, in ms
   */
  async show(zk: ZooKeeper, status: InstanceStatus): Promise<{ offset: number; error: number }> {
    const path = instancePath(status.id);
    const data = encodeStatus(status);
    for (;;) {
      const [sent, from] = [Date.now(), performance.now()];
      try {
        const stat = await zk.set(path, data);
        const trip = performance.now() - from;
        if (stat.ephemeralOwner === zk.session.id) {
          this.#own = status;
          // the leader's clock is told in whole ms, and so is ours
          return { offset: sent + trip / 2 - stat.mtime, error: trip / 2 + 1 };
        }
        await zk.delete(path).catch(ignoreMissing); // of a session before ours, which would take it along
      } catch (error) {
        if (isCode(error, 'CONNECTION_LOSS')) continue; // setting the same again does no harm
        if (!isCode(error, 'NO_NODE')) throw error;
        await this.#tree.prepareInstances(zk);
        await zk.create(path, data, { mode: 'ephemeral', ...this.#tree.acl }).catch(ignoreExisting);
      }
    }
  }

  /** A session ended and took the status along: the next one shows it again. */
  async showAgain(zk: ZooKeeper): Promise<void> {
    if (this.#own) await this.show(zk, this.#own);
  }

  async all(zk: ZooKeeper): Promise<InstanceStatus[]> {
    const names = await childrenOf(zk, INSTANCES);
    const reads = await Promise.all(names.map((name) => this.#read(zk, `${INSTANCES}/${name}`)));
    const found = reads.filter((status) => status !== undefined); // else it went away in between
    return found.sort((a, b) => comparePaths(a.id, b.id));
  }

  async #read(zk: ZooKeeper, path: string): Promise<InstanceStatus | undefined> {
    const read = await orUndefined(zk.get(path));
    try {
      return read && decodeStatus(read.data);
    } catch (error) {
      throw recordError(path, error) ?? error;
    }
  }

  async forget(zk: ZooKeeper, instance: string): Promise<void> {
    if (this.#own?.id === instance) this.#own = undefined;
    await zk.delete(instancePath(instance)).catch(ignoreMissing);
  }
}

function ignoreExisting(error: unknown): void {
  if (!isCode(error, 'NODE_EXISTS')) throw error;
}
