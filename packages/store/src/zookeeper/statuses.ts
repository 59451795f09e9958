import { type ClockExchange, comparePaths, decodeStatus, encodeStatus, type InstanceStatus } from '@quorate/model';
import type { ZooKeeper } from '@quorate/zookeeper';
import { taken } from '../errors.ts';
import { recordError } from '../format.ts';
import { readClocks } from '../read-clocks.ts';
import { isCode } from './errors.ts';
import { childrenOf, ignoreMissing, orUndefined } from './missing.ts';
import { INSTANCES, instancePath } from './paths.ts';
import type { Tree } from './tree.ts';

/** What instances tell about themselves: ephemeral nodes, which go with the session that showed them. */
export class Statuses {
  readonly #tree: Tree;
  /** what is shown, and the session that it goes with */
  #own: { readonly status: InstanceStatus; readonly session: bigint } | undefined;

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /**
   * The reply carries the leader's time, and in the upper half of its zxid the leader's epoch.
   * @throws StoreError TAKEN
   */
  async show(zk: ZooKeeper, status: InstanceStatus): Promise<ClockExchange> {
    const path = instancePath(status.id);
    const data = encodeStatus(status);
    for (;;) {
      try {
        const there = await zk.exists(path);
        if (!there) await this.#create(zk, path, data);
        else if (there.ephemeralOwner !== zk.session.id) await this.#takeOver(zk, path, status.id);
        const sent = readClocks();
        const stat = await zk.set(path, data);
        const received = readClocks();
        if (stat.ephemeralOwner !== zk.session.id) continue; // somebody took over in this instant
        this.#own = { status, session: zk.session.id };
        return { sent, received, leader: stat.mtime, epoch: Number(stat.mzxid >> 32n) };
      } catch (error) {
        // the same again does no harm
        if (!isCode(error, 'CONNECTION_LOSS', 'NO_NODE', 'NODE_EXISTS')) throw error;
      }
    }
  }

  async #create(zk: ZooKeeper, path: string, data: Buffer): Promise<void> {
    await this.#tree.prepareInstances(zk);
    await zk.create(path, data, { mode: 'ephemeral', ...this.#tree.fleetAcl });
  }

  /** A node of a session before ours would go with it. One that replaced ours while our session lived is another instance's. */
  async #takeOver(zk: ZooKeeper, path: string, id: string): Promise<void> {
    if (this.#own?.status.id === id && this.#own.session === zk.session.id) throw taken(id);
    await zk.delete(path);
  }

  /** A session ended and took the status along: the next one shows it again. */
  async showAgain(zk: ZooKeeper): Promise<void> {
    if (this.#own) await this.show(zk, this.#own.status);
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
    if (this.#own?.status.id === instance) this.#own = undefined;
    await zk.delete(instancePath(instance)).catch(ignoreMissing);
  }
}
