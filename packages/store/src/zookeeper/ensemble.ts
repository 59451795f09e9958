import {
  type ArchiveRecord,
  adjusted,
  type ClusterRecord,
  type ClusterSettings,
  checkBundleName,
  decodeCluster,
  decodeFleet,
  decodeMachine,
  decodeMember,
  decodePlan,
  encodeEnsembleRecord,
  encodeFleet,
  type FleetRecord,
  type MachineRecord,
  type MemberRecord,
  type PlanRecord,
  type Release,
} from '@quorate/model';
import {
  type CachedNode,
  type EnsembleConfig,
  LeaderElection,
  type NodeData,
  TreeCache,
  type ZooKeeper,
} from '@quorate/zookeeper';
import type { Asker, Ensemble, EnsembleConfiguration, FollowedMachines, Lead, MembershipChange } from '../ensemble.ts';
import { StoreError } from '../errors.ts';
import { recordError } from '../format.ts';
import type { CallOptions } from '../store.ts';
import { isCode } from './errors.ts';
import { type Gate, readArchive } from './gate.ts';
import type { Link } from './link.ts';
import { childrenOf, createFixed, ignoreMissing, orUndefined } from './missing.ts';
import { ARCHIVE, CLUSTER, ENSEMBLE } from './paths.ts';
import type { Tree } from './tree.ts';
import { Wakes } from './wakes.ts';

const MEMBERS = `${ENSEMBLE}/members`;
const MACHINES = `${ENSEMBLE}/machines`;
const LEAVING = `${ENSEMBLE}/leaving`;
const PLAN = `${ENSEMBLE}/plan`;
const FLEET = `${ENSEMBLE}/fleet`;
const LEAD = `${ENSEMBLE}/lead`;

const named = (folder: string, name: string | number): string =>
  `${folder}/${encodeURIComponent(name).replace(/^\./, '%2E')}`;

/** Runs work in a session that has not ended, with errors as they are for a store. */
export type InSession = <T>(options: CallOptions, work: (zk: ZooKeeper) => Promise<T>) => Promise<T>;

export class ZooKeeperEnsemble implements Ensemble {
  readonly #call: InSession;
  readonly #link: Link;
  readonly #tree: Tree;
  readonly #gate: Gate;
  readonly #closeRoot: (() => Promise<void>) | undefined;
  /** what this machine shows, over all sessions */
  #shown: MachineRecord | undefined;

  /** @param closeRoot closes what lies above the store, where the store is closed */
  constructor(call: InSession, link: Link, parts: { tree: Tree; gate: Gate }, closeRoot?: () => Promise<void>) {
    this.#call = call;
    this.#closeRoot = closeRoot;
    this.#link = link;
    this.#tree = parts.tree;
    this.#gate = parts.gate;
  }

  cluster(options: CallOptions = {}): Promise<ClusterRecord | undefined> {
    return this.#call(options, (zk) => read(zk, CLUSTER, decodeCluster));
  }

  found(cluster: ClusterRecord, first: MemberRecord, options: CallOptions = {}): Promise<void> {
    return this.#call(options, async (zk) => {
      await this.#closeRoot?.();
      await this.#tree.found(zk);
      for (const folder of [MEMBERS, MACHINES, LEAVING]) await zk.ensure(folder, this.#tree.fleetAcl);
      await this.#put(zk, named(MEMBERS, first.id), first);
      const reason = `founded, generation ${cluster.generation}`;
      await this.#put(zk, PLAN, { controller: first.instance, settled: false, reason });
      await this.#put(zk, CLUSTER, cluster); // last: whoever finds it finds the rest
    });
  }

  adjust(change: Partial<ClusterSettings>, options: CallOptions = {}): Promise<ClusterRecord> {
    return this.#call(options, (zk) => changeCluster(zk, (before) => adjusted(before, change)));
  }

  archiveRead(generation: number, options: CallOptions = {}): Promise<ClusterRecord> {
    const open = (before: ClusterRecord): ClusterRecord =>
      before.generation === generation ? { ...before, archiveRead: generation } : before;
    return this.#call(options, (zk) => changeCluster(zk, open));
  }

  shut(options: CallOptions = {}): Promise<void> {
    return this.#call(options, async (zk) => {
      if (!(await zk.exists(CLUSTER))) return; // founding was not completed: nothing is published there either
      await changeCluster(zk, ({ archiveRead: _, ...closed }) => closed);
    });
  }

  archive(options: CallOptions = {}): Promise<ArchiveRecord | undefined> {
    return this.#call(options, readArchive);
  }

  tellArchive(record: ArchiveRecord, options: CallOptions = {}): Promise<void> {
    return this.#call(options, (zk) => this.#put(zk, ARCHIVE, record));
  }

  archived(release: Release, options: CallOptions = {}): Promise<void> {
    this.#gate.forget(); // who asks later wants to know how it is by now
    return this.#call(options, () => this.#gate.archived(this.#link, release, options.signal));
  }

  configuration(options: CallOptions = {}): Promise<EnsembleConfiguration> {
    return this.#call(options, async (zk) => {
      await zk.sync('/'); // else a server that is behind tells of yesterday
      return described(await zk.getConfig());
    });
  }

  change(change: MembershipChange, from: string, options: CallOptions = {}): Promise<EnsembleConfiguration> {
    const fromConfig = BigInt(from);
    return this.#call(options, async (zk) => {
      try {
        const made =
          'join' in change
            ? await zk.reconfig({ joining: `server.${change.join.id}=${change.join.line}`, fromConfig })
            : await zk.reconfig({ leaving: [change.leave], fromConfig });
        return described(made);
      } catch (error) {
        if (isCode(error, 'BAD_VERSION', 'RECONFIG_IN_PROGRESS'))
          throw new StoreError('CONFLICT', `the membership is not what it was: ${error.message}`, { cause: error });
        if (isCode(error, 'NEW_CONFIG_NO_QUORUM'))
          throw new StoreError('NOT_IN_SYNC', 'a majority of the voters that there would be is not in sync', {
            cause: error,
          });
        throw error;
      }
    });
  }

  letPublish(bundle: string, options: CallOptions = {}): Promise<void> {
    checkBundleName(bundle);
    return this.#call(options, async (zk) => {
      const record = await read(zk, CLUSTER, decodeCluster);
      if (!record) throw new StoreError('NOT_FOUND', 'the ensemble is not founded yet');
      await this.#tree.letPublish(zk, record.cluster, bundle);
    });
  }

  members(options: CallOptions = {}): Promise<MemberRecord[]> {
    return this.#call(options, (zk) => readAll(zk, MEMBERS, decodeMember));
  }

  assign(member: MemberRecord, options: CallOptions = {}): Promise<boolean> {
    return this.#call(options, async (zk) => {
      const path = named(MEMBERS, member.id);
      try {
        await zk.create(path, encodeEnsembleRecord(member), this.#tree.fleetAcl);
        return true;
      } catch (error) {
        if (!isCode(error, 'NODE_EXISTS', 'CONNECTION_LOSS')) throw error;
        const holder = await read(zk, path, decodeMember);
        return holder?.instance === member.instance && holder.incarnation === member.incarnation;
      }
    });
  }

  retire(member: MemberRecord, options: CallOptions = {}): Promise<void> {
    const data = encodeEnsembleRecord({ ...member, left: true });
    return this.#call(options, async (zk) => void (await zk.set(named(MEMBERS, member.id), data).catch(ignoreMissing)));
  }

  release(id: number, options: CallOptions = {}): Promise<void> {
    return this.#call(options, (zk) => zk.delete(named(MEMBERS, id)).catch(ignoreMissing));
  }

  machines(options: CallOptions = {}): Promise<MachineRecord[]> {
    return this.#call(options, (zk) => readAll(zk, MACHINES, decodeMachine));
  }

  show(machine: MachineRecord, options: CallOptions = {}): Promise<void> {
    this.#shown = machine;
    return this.#call(options, (zk) => this.showAgain(zk));
  }

  /** Ephemeral nodes go with their session: each new one shows the machine again. */
  async showAgain(zk: ZooKeeper): Promise<void> {
    const machine = this.#shown;
    if (!machine) return;
    const path = named(MACHINES, machine.instance);
    const data = encodeEnsembleRecord(machine);
    for (;;) {
      try {
        const there = await zk.exists(path);
        if (there && there.ephemeralOwner === zk.session.id) await zk.set(path, data);
        else {
          // of a session before ours, which takes it along when it ends
          if (there) await zk.delete(path);
          await zk.create(path, data, { mode: 'ephemeral', ...this.#tree.fleetAcl });
        }
        return;
      } catch (error) {
        if (isCode(error, 'NO_NODE') && !(await zk.exists(MACHINES))) return; // not founded yet
        if (!isCode(error, 'CONNECTION_LOSS', 'NO_NODE', 'NODE_EXISTS')) throw error;
      }
    }
  }

  hide(options: CallOptions = {}): Promise<void> {
    const instance = this.#shown?.instance;
    this.#shown = undefined;
    if (instance === undefined) return Promise.resolve();
    return this.#call(options, (zk) => zk.delete(named(MACHINES, instance)).catch(ignoreMissing));
  }

  leaving(options: CallOptions = {}): Promise<string[]> {
    return this.#call(options, async (zk) => (await childrenOf(zk, LEAVING)).map(decodeURIComponent));
  }

  askToLeave(instance: string, options: CallOptions = {}): Promise<void> {
    return this.#call(options, (zk) => createFixed(zk, named(LEAVING, instance), '', this.#tree.fleetAcl));
  }

  hasLeft(instance: string, options: CallOptions = {}): Promise<void> {
    return this.#call(options, (zk) => zk.delete(named(LEAVING, instance)).catch(ignoreMissing));
  }

  plan(options: CallOptions = {}): Promise<PlanRecord | undefined> {
    return this.#call(options, (zk) => read(zk, PLAN, decodePlan));
  }

  tellPlan(plan: PlanRecord, options: CallOptions = {}): Promise<void> {
    return this.#call(options, (zk) => this.#put(zk, PLAN, plan));
  }

  fleet(options: CallOptions = {}): Promise<FleetRecord | undefined> {
    return this.#call(options, (zk) => read(zk, FLEET, decodeFleet));
  }

  tellFleet(fleet: FleetRecord, options: CallOptions = {}): Promise<void> {
    return this.#call(options, (zk) => this.#write(zk, FLEET, encodeFleet(fleet)));
  }

  async *changes({ signal, asker }: { signal: AbortSignal; asker?: Asker }): AsyncGenerator<void> {
    while (!signal.aborted) {
      const zk = await this.#link.patiently(signal, () => undefined).catch(() => undefined); // only the signal ends it in vain
      if (!zk) return;
      const ends = new AbortController();
      const wakes = new Wakes(AbortSignal.any([signal, ends.signal]));
      const concerns = ({ path }: { path: string }): Promise<boolean> => concernsAsker(zk, path, asker);
      const watches = [MEMBERS, LEAVING].map((path) => wakes.follow(zk, path, 'persistent_recursive', concerns));
      watches.push(wakes.follow(zk, CLUSTER, 'persistent'));
      yield;
      void Promise.all(watches).finally(() => ends.abort()); // the session has ended, however: the next one begins with a look
      while (await wakes.next()) yield;
    }
  }

  followMachines(options: CallOptions = {}): Promise<FollowedMachines> {
    return this.#call(options, async (zk) => new MachinesInMemory(await TreeCache.open(zk, MACHINES)));
  }

  lead(instance: string, { signal }: { signal: AbortSignal }): Promise<Lead> {
    return this.#call({ signal }, (zk) =>
      new LeaderElection(zk, LEAD, instance).lead({ signal, ...this.#tree.fleetAcl }),
    );
  }

  #put(zk: ZooKeeper, path: string, record: object): Promise<void> {
    return this.#write(zk, path, encodeEnsembleRecord(record));
  }

  async #write(zk: ZooKeeper, path: string, data: Buffer): Promise<void> {
    if (await zk.exists(path)) await zk.set(path, data);
    else await createFixed(zk, path, data, this.#tree.fleetAcl);
  }
}

/** Whether a record of a member or a leaver is about the one who asks, as far as that can be told. */
async function concernsAsker(zk: ZooKeeper, path: string, asker: Asker | undefined): Promise<boolean> {
  const id = asker?.id;
  if (!asker || path === named(LEAVING, asker.instance) || (id !== undefined && path === named(MEMBERS, id)))
    return true;
  if (path.startsWith(`${LEAVING}/`)) return false;
  try {
    return (await read(zk, path, decodeMember))?.instance === asker.instance;
  } catch {
    return true; // whoever looks is told what is wrong with it
  }
}

class MachinesInMemory implements FollowedMachines {
  readonly #cache: TreeCache;
  /** what a node said; a node that changes is another object */
  readonly #decoded = new WeakMap<CachedNode, MachineRecord>();

  constructor(cache: TreeCache) {
    this.#cache = cache;
  }

  machines(): MachineRecord[] {
    const paths = (this.#cache.children(MACHINES) ?? []).map((name) => `${MACHINES}/${name}`);
    return paths.flatMap((path) => {
      const node = this.#cache.get(path);
      return node ? [this.#decode(path, node)] : [];
    });
  }

  #decode(path: string, node: CachedNode): MachineRecord {
    const known = this.#decoded.get(node);
    if (known) return known;
    try {
      const record = decodeMachine(node.data);
      this.#decoded.set(node, record);
      return record;
    } catch (error) {
      throw recordError(path, error) ?? error;
    }
  }

  async *changes({ signal }: { signal: AbortSignal }): AsyncGenerator<void> {
    try {
      for await (const _ of this.#cache.changes(signal)) yield;
    } catch {
      // the session has ended, and the lead with it: whoever leads next follows anew
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cache[Symbol.asyncDispose]();
  }
}

/** Once more where somebody else changes it too, or where the answer was lost: the same again does no harm. */
async function changeCluster(zk: ZooKeeper, change: (before: ClusterRecord) => ClusterRecord): Promise<ClusterRecord> {
  for (;;) {
    const found = await orUndefined(zk.get(CLUSTER));
    if (!found) throw new StoreError('NOT_FOUND', 'the ensemble is not founded yet');
    const after = change(decodeCluster(found.data));
    try {
      await zk.set(CLUSTER, encodeEnsembleRecord(after), { version: found.stat.version });
      return after;
    } catch (error) {
      if (!isCode(error, 'BAD_VERSION', 'CONNECTION_LOSS')) throw error;
    }
  }
}

const SERVER_LINE = /^server\.(\d+)\s*=\s*(.*)$/;

function described(config: NodeData & EnsembleConfig): EnsembleConfiguration {
  const lines = config.data.toString('utf8').split('\n');
  const lineOf = new Map(lines.map((line) => SERVER_LINE.exec(line)).map((match) => [Number(match?.[1]), match?.[2]]));
  return {
    version: String(config.version),
    members: config.members.map(({ id, role, host }) => ({
      id,
      role: role === 'observer' ? 'observer' : 'voter',
      address: host,
      line: lineOf.get(id)!.trim(),
    })),
  };
}

async function read<T>(zk: ZooKeeper, path: string, decode: (bytes: Uint8Array) => T): Promise<T | undefined> {
  const found = await orUndefined(zk.get(path));
  try {
    return found && decode(found.data);
  } catch (error) {
    throw recordError(path, error) ?? error;
  }
}

/** Records of a folder; those that went away in between are left out. */
async function readAll<T>(zk: ZooKeeper, folder: string, decode: (bytes: Uint8Array) => T): Promise<T[]> {
  const names = await childrenOf(zk, folder);
  const records = await Promise.all(names.map((name) => read(zk, `${folder}/${name}`, decode)));
  return records.filter((record) => record !== undefined);
}
