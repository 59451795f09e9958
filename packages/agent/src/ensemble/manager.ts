import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ClusterRecord,
  type ClusterSettings,
  type MachineRecord,
  type MembershipDecision,
  type PeerState,
  planMembership,
} from '@quorate/model';
import type { Ensemble, EnsembleConfiguration, Store } from '@quorate/store';
import { replaceDurable } from '../disk/durable.ts';
import { TICK_MS } from '../member-supervisor.ts';
import type { EnsembleSection, Settings } from '../settings.ts';
import { Controller, holderRecord, serverLine } from './controller.ts';
import { readDataState, storedConfigs } from './data-state.ts';
import { newestConfig } from './dynamic.ts';
import { type MemberIdentity, readIdentity, setDataAside, writeIdentity } from './identity.ts';
import { heapFor, machineMemory } from './java.ts';
import { Member } from './member.ts';
import { stopMember } from './member-process.ts';
import { News } from './news.ts';
import { noteServers } from './servers.ts';
import { type MemberReport, superviseMember } from './supervise.ts';

/** ms between looks without news */
const LOOK_MS = 2000;
/** ms until an ensemble that does not answer counts as out of reach */
const ASK_MS = 5000;

/** The operator's word that this machine may found the cluster, or found it again. */
export interface FoundingPermission {
  readonly generation: number;
  readonly settings: ClusterSettings;
}

const permissionFile = (state: string): string => join(state, 'member', 'found.json');
const leaveFile = (state: string): string => join(state, 'member', 'leave');

/** What an operator says on this machine, for its agent to find. Durable before it returns. */
export const orders = {
  async permitFounding(state: string, permission: FoundingPermission): Promise<void> {
    await mkdir(join(state, 'member'), { recursive: true, mode: 0o700 });
    replaceDurable(permissionFile(state), `${JSON.stringify(permission)}\n`, 0o600);
  },
  async founding(state: string): Promise<FoundingPermission | undefined> {
    const text = await readOrUndefined(permissionFile(state));
    return text === undefined ? undefined : (JSON.parse(text) as FoundingPermission);
  },
  async leave(state: string): Promise<void> {
    await mkdir(join(state, 'member'), { recursive: true, mode: 0o700 });
    replaceDurable(leaveFile(state), '', 0o600);
  },
  async leaving(state: string): Promise<boolean> {
    return (await readOrUndefined(leaveFile(state))) !== undefined;
  },
  async stay(state: string): Promise<void> {
    await rm(leaveFile(state), { force: true });
  },
};

export interface ManagerOptions {
  readonly settings: Settings & { readonly ensemble: EnsembleSection; readonly address: string };
  /** the store, as soon as it has been reached once */
  readonly connected: Promise<Store>;
  /** further lines of zoo.cfg, for TLS */
  readonly lines: readonly string[];
  readonly terminated?: () => Promise<ReadonlySet<string>>;
  /** told of each change of the member */
  readonly report: (report: MemberReport) => void;
  readonly log: (line: string) => void;
}

/** What an ensemble that serves says. */
interface Heard {
  readonly ensemble: Ensemble;
  readonly cluster: ClusterRecord | undefined;
  readonly configuration: EnsembleConfiguration;
  readonly decision: MembershipDecision;
  readonly asked: ReadonlySet<string>;
}

/**
 * Makes this machine part of an ensemble that nobody declares: it runs a server when it was given an id, founds when it may, starts empty
 * when its data is of no more use, and leads when it is its turn.
 */
export class EnsembleManager {
  readonly #options: ManagerOptions;
  readonly #folder: string;
  #identity!: MemberIdentity;
  #server:
    | { readonly id: number; readonly member: Member; readonly stop: AbortController; ended: Promise<void> }
    | undefined;
  #report: MemberReport = { state: 'down', detail: 'it has not been looked at yet' };
  #store: Store | undefined;
  #controlling: AbortController | undefined;
  #shown = '';
  /** whether the ensemble answered at the last look */
  #heard = false;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#folder = join(options.settings.state, 'member');
  }

  /** Until the signal. The ZooKeeper process goes on without us. */
  async run(signal: AbortSignal): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const known = await readIdentity(this.#folder);
    this.#identity = known?.cluster === this.#cluster ? known : this.#fresh(known?.generation ?? 1);
    if (this.#identity !== known) await this.#renew(this.#identity);
    const news = new News();
    void this.#options.connected.then((store) => {
      if (!store.ensemble) return;
      this.#store = store;
      news.arrived();
      news.follow(store.ensemble.changes('assignments', { signal }));
    });
    this.#wake = () => news.arrived();
    while (!signal.aborted) {
      try {
        await this.#look(signal);
      } catch (error) {
        if (signal.aborted) break;
        this.#tell({ state: 'down', detail: (error as Error).message });
      }
      await news.wait(LOOK_MS, signal);
    }
    this.#controlling?.abort();
    this.#server?.stop.abort();
    await this.#server?.ended;
  }

  /** What another instance is told, also while this machine's server is stopped. */
  async state(): Promise<PeerState> {
    const { cluster, generation, incarnation, id } = this.#identity;
    const state = { format: 1, instance: this.#options.settings.instance, cluster, generation, incarnation };
    const data = await readDataState(this.#folder);
    if (id === undefined || !data) return state;
    const running = this.#report.state === 'serving' || this.#report.state === 'starting';
    return {
      ...state,
      member: {
        id,
        running,
        serving: this.#report.state === 'serving',
        epoch: data.epoch,
        zxid: BigInt(data.zxid).toString(16).padStart(16, '0'),
        configVersion: data.configVersion,
        servers: data.servers.map((server) => ({
          id: server.id,
          role: server.role === 'observer' ? 'observer' : 'voter',
          address: server.address,
        })),
      },
    };
  }

  get #cluster(): string {
    return this.#options.settings.ensemble.cluster;
  }

  #wake: () => void = () => undefined;

  #fresh(generation: number): MemberIdentity {
    return { cluster: this.#cluster, generation, incarnation: randomUUID() };
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { state } = this.#options.settings;
    const [heard, leaving, permission] = [
      await this.#hear(signal),
      await orders.leaving(state),
      await orders.founding(state),
    ];
    this.#heard = heard !== undefined;
    if (permission && this.#mayFound(permission, heard)) return this.#found(permission, heard);
    if (!heard) return this.#alone(permission);
    await noteServers(state, heard.configuration);
    if (heard.asked.has(this.#options.settings.instance) && !leaving) await orders.leave(state);
    await this.#carryOut(heard, leaving);
  }

  /** What the ensemble says; undefined while none answers in time. */
  async #hear(signal: AbortSignal): Promise<Heard | undefined> {
    const ensemble = this.#store?.ensemble;
    if (!ensemble) return undefined;
    const options = { signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]) };
    try {
      const configuration = await ensemble.configuration(options); // first: records are older than it, never newer
      const [cluster, records, asked] = await Promise.all([
        ensemble.cluster(options),
        ensemble.members(options),
        ensemble.leaving(options),
      ]);
      const { instance } = this.#options.settings;
      const configured = new Set(configuration.members.map(({ id }) => id));
      const decision = planMembership({ instance, identity: this.#identity, cluster, records, configured });
      return { ensemble, cluster, configuration, decision, asked: new Set(asked) };
    } catch {
      signal.throwIfAborted();
      return undefined; // no majority, no way, or no time: the store's own state tells why
    }
  }

  async #alone(permission: FoundingPermission | undefined): Promise<void> {
    this.#control(undefined);
    const { id } = this.#identity;
    if (id !== undefined) return this.#serve(id, undefined);
    this.#tell({
      state: 'absent',
      detail: permission
        ? `founding of generation ${permission.generation} is permitted, but this machine knows a later one`
        : 'no ensemble can be reached, and this machine has no data of one: it waits',
    });
  }

  /** The operator's word holds once: for a machine that has not yet got to that generation, or was interrupted in between. */
  #mayFound({ generation }: FoundingPermission, heard: Heard | undefined): boolean {
    if (heard?.cluster && heard.cluster.generation >= generation) return false;
    return this.#identity.generation <= generation;
  }

  /** Starts a server that knows only itself, then writes what an ensemble begins with; each step may be repeated. */
  async #found({ generation, settings }: FoundingPermission, heard: Heard | undefined): Promise<void> {
    const id = this.#identity.id ?? 1;
    const begun = this.#identity.id !== undefined && this.#identity.generation === generation;
    const { address, ensemble } = this.#options.settings;
    const itself = `server.${id}=${serverLine({ address, ports: ensemble.ports }, 'participant')}\n`;
    if (!begun) {
      await this.#end();
      this.#identity = { ...this.#identity, generation, id };
      await this.#member(id, itself).start({ rewrite: true });
      this.#options.log(`info  member: founding generation ${generation} of the cluster ${this.#cluster}`);
    }
    await this.#serve(id, itself);
    const alone = heard?.configuration.members.every((member) => member.id === id);
    if (!heard || !alone) return;
    await heard.ensemble.found(
      { format: 1, cluster: this.#cluster, generation, settings },
      holderRecord(id, this.#machine),
    );
    await rm(permissionFile(this.#options.settings.state), { force: true });
    this.#options.log(`info  member: the cluster ${this.#cluster} is founded, generation ${generation}`);
    this.#wake();
  }

  async #carryOut({ ensemble, cluster, configuration, decision }: Heard, leaving: boolean): Promise<void> {
    const own = cluster?.cluster === this.#cluster;
    switch (decision.kind) {
      case 'run':
        // a majority serves without it: all that was acknowledged is there
        if (this.#report.state === 'corrupt')
          return this.#beginAnew(cluster, this.#report.detail ?? 'its data is damaged');
        await this.#serve(decision.id, configuration);
        break;
      case 'join':
        await this.#end();
        this.#identity = { ...this.#identity, id: decision.id };
        await this.#member(decision.id, this.#joining(decision.id, configuration)).start({ rewrite: true });
        this.#options.log(`info  member: ${decision.reason}: it starts`);
        await this.#serve(decision.id, configuration);
        break;
      case 'renew':
        return this.#beginAnew(cluster, decision.reason);
      case 'wait':
        await this.#end();
        this.#tell({ state: 'absent', detail: leaving ? 'this machine has left the ensemble' : decision.reason });
    }
    if (!own) return this.#control(undefined);
    if (leaving && decision.kind === 'wait') await ensemble.hide();
    else {
      if (leaving) await ensemble.askToLeave(this.#options.settings.instance);
      await this.#show(ensemble);
    }
    this.#control(this.#report.state === 'serving' ? ensemble : undefined);
  }

  async #beginAnew(cluster: ClusterRecord | undefined, reason: string): Promise<void> {
    this.#options.log(`warn  member: ${reason}`);
    await this.#renew(this.#fresh(cluster?.generation ?? this.#identity.generation));
    this.#wake();
  }

  get #machine(): MachineRecord {
    const { instance, zone = '', address, ensemble } = this.#options.settings;
    const { incarnation, id } = this.#identity;
    const { state, mode, detail } = this.#report;
    const member =
      id === undefined ? {} : { member: { id, state, ...(mode ? { mode } : {}), ...(detail ? { detail } : {}) } };
    return { format: 1, instance, incarnation, zone, address, ports: ensemble.ports, ...member };
  }

  async #show(ensemble: Ensemble): Promise<void> {
    const text = JSON.stringify(this.#machine);
    if (text === this.#shown) return;
    await ensemble.show(this.#machine, { signal: AbortSignal.timeout(ASK_MS) });
    this.#shown = text;
  }

  /** The configuration, with this machine as a voter where it is none yet: so it may follow without a vote. */
  #joining(id: number, configuration: EnsembleConfiguration): string {
    const text = dynamicText(configuration);
    if (configuration.members.some((member) => member.id === id)) return text;
    const { address, ensemble } = this.#options.settings;
    return `${text}server.${id}=${serverLine({ address, ports: ensemble.ports }, 'participant')}\n`;
  }

  /** @param dynamic the configuration to begin with, where its folder has none */
  #member(id: number, dynamic: string): Member {
    const { settings, lines } = this.#options;
    const { ensemble } = settings;
    return new Member({
      id,
      identity: this.#identity,
      folder: this.#folder,
      tickTime: TICK_MS,
      dynamic,
      health: { host: '127.0.0.1', port: ensemble.ports.local },
      lines,
      heap: ensemble.heap ?? heapFor(machineMemory()),
      ...(ensemble.jars ? { jars: ensemble.jars } : {}),
    });
  }

  /**
   * Sees to it that the server runs and is watched.
   * @param known a configuration for a folder that has lost its own; without one such a server waits for an ensemble to tell it
   */
  async #serve(id: number, known: EnsembleConfiguration | string | undefined): Promise<void> {
    if (this.#server?.id === id) return;
    const text = typeof known === 'string' ? known : known && this.#joining(id, known);
    const dynamic = newestConfig(await storedConfigs(this.#folder))?.text ?? text;
    if (dynamic === undefined) {
      this.#tell({
        state: 'absent',
        detail: 'its configuration is lost, and no ensemble can be reached that tells it',
      });
      return;
    }
    const stop = new AbortController();
    const member = this.#member(id, dynamic);
    this.#server = { id, member, stop, ended: this.#supervise(member, stop.signal) };
  }

  async #supervise(member: Member, signal: AbortSignal): Promise<void> {
    const reports = superviseMember(member, signal, {
      // a founder that was interrupted before it served begins from nothing again
      start: async () => ({ found: (await orders.founding(this.#options.settings.state)) !== undefined }),
      othersServe: async () => this.#heard,
      log: this.#options.log,
    });
    for await (const report of reports) {
      this.#tell(report);
      this.#wake();
    }
  }

  /** Ends the server here, if one runs. */
  async #end(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.stop.abort();
    await server?.ended;
    await stopMember(this.#folder);
  }

  /** Stops the server, moves its data aside, and is another incarnation from here on. */
  async #renew(identity: MemberIdentity): Promise<void> {
    await this.#end();
    const aside = await setDataAside(this.#folder);
    if (aside) this.#options.log(`warn  member: its data lies in ${aside} now; it starts empty`);
    this.#identity = identity;
    writeIdentity(this.#folder, identity);
  }

  #tell(report: MemberReport): void {
    this.#report = report;
    this.#options.report(report);
  }

  /** Stands for the lead while this machine's own server serves. */
  #control(ensemble: Ensemble | undefined): void {
    if (!ensemble) {
      this.#controlling?.abort();
      this.#controlling = undefined;
    } else if (!this.#controlling) {
      this.#controlling = new AbortController();
      const { settings, log, terminated } = this.#options;
      const controller = new Controller({
        ensemble,
        instance: settings.instance,
        log,
        ...(terminated ? { terminated } : {}),
      });
      void controller.run(this.#controlling.signal);
    }
  }
}

const dynamicText = ({ members }: EnsembleConfiguration): string =>
  members.map(({ id, line }) => `server.${id}=${line}\n`).join('');

async function readOrUndefined(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
