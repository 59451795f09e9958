import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type ClusterRecord,
  type EnsembleObservation,
  type EnsemblePlan,
  type EnsembleStep,
  type FleetSight,
  invitedOf,
  type MachineRecord,
  type MemberPorts,
  type MemberRecord,
  outdatedRecords,
  planEnsemble,
  viewOf,
} from '@quorate/model';
import { type Collected, type Ensemble, type EnsembleConfiguration, type Lead, StoreError } from '@quorate/store';
import { News } from './news.ts';

/** ms between looks while nothing is told: what is silent tells nothing. */
const LOOK_MS = 1000;
/** ms of leading between looks for releases that nobody needs */
const COLLECT_MS = 3_600_000;
/** ms in which a port that is alive takes a connection */
const PROBE_MS = 1000;

export interface ControllerOptions {
  readonly ensemble: Ensemble;
  /** who this is, for people */
  readonly instance: string;
  /** instances that whoever made them says are no more; undefined where nobody can tell */
  readonly terminated?: (about: readonly string[]) => Promise<ReadonlySet<string>>;
  /** whether those are all that are dead: silence is no death then */
  readonly knowsDeath?: boolean;
  /** what the discovery saw, where the others are spared to ask */
  readonly sight?: () => FleetSight | undefined;
  /** Enters a machine at the arbiter, before it can get data. @returns why it may not be taken in now */
  readonly admit?: (
    instance: string,
    seen: {
      readonly cluster: ClusterRecord;
      readonly records: readonly MemberRecord[];
      readonly terminated: ReadonlySet<string>;
    },
    signal: AbortSignal,
  ) => Promise<string | undefined>;
  /** Takes releases beyond the newest so many out of the store, where the cluster is set to. */
  readonly collect?: (keep: number, signal: AbortSignal) => Promise<Collected>;
  /** What else is to be done while this machine leads. It never fails, and ends with the signal in its own time. */
  readonly leading?: (signal: AbortSignal) => Promise<unknown>;
  /** told of each step that was taken, in words */
  readonly changed?: (what: string) => void;
  readonly log: (line: string) => void;
}

interface Seen extends EnsembleObservation {
  readonly config: EnsembleConfiguration;
  readonly cluster: ClusterRecord;
}

/** Keeps the ensemble's membership as `planEnsemble` says, while this machine leads. Two at once do no harm: each change is conditional on what was seen. */
export class Controller {
  readonly #options: ControllerOptions;
  /** why it could not be told who is terminated, at the last look */
  #unknown = '';

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  /** Stands for the lead again and again until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { ensemble, instance, log } = this.#options;
    while (!signal.aborted) {
      try {
        await using lead = await ensemble.lead(instance, { signal });
        log('info  this machine leads: it keeps the ensemble');
        await this.#reign(lead, signal);
      } catch (error) {
        if (signal.aborted) return;
        log(`info  the lead is not held: ${(error as Error).message}`);
        await delay(LOOK_MS, undefined, { signal }).catch(() => undefined); // ended by the signal: the loop sees it
      }
    }
  }

  async #reign(lead: Lead, until: AbortSignal): Promise<void> {
    using reign = new Reign([lead.signal, until]);
    const { signal } = reign;
    void this.#options.leading?.(signal);
    const watch = new Watch();
    let collectAt = performance.now() + COLLECT_MS;
    const told = new Told(this.#options);
    const news = new News();
    const { ensemble } = this.#options;
    await using followed = await ensemble.followMachines({ signal });
    news.follow(followed.changes({ signal }));
    news.follow(ensemble.changes({ signal }));
    while (!signal.aborted) {
      const seen = await this.#observe(watch, followed.machines(), signal);
      const plan = planEnsemble(viewOf(seen));
      const trouble = plan.step && (await this.#take(plan.step, plan, seen, signal));
      await this.#tidy(seen, signal);
      await told.tell(plan, trouble, signal);
      await told.share(signal);
      if (plan.settled && performance.now() >= collectAt) {
        collectAt = performance.now() + COLLECT_MS;
        await this.#collect(seen.cluster.settings.keep, signal);
      }
      if (!plan.step || trouble) await news.wait(LOOK_MS, signal);
    }
  }

  async #observe(watch: Watch, machines: readonly MachineRecord[], signal: AbortSignal): Promise<Seen> {
    const { ensemble, terminated, knowsDeath } = this.#options;
    const config = await ensemble.configuration({ signal }); // first: an id in it has its record by then
    const [records, leaving, cluster] = await Promise.all([
      ensemble.members({ signal }),
      ensemble.leaving({ signal }),
      ensemble.cluster({ signal }),
    ]);
    const dead = await terminated?.(records.map(({ instance }) => instance)).catch((error: Error) => {
      // whoever cannot be asked has said nothing
      if (error.message !== this.#unknown) this.#options.log(`warn  ensemble: ${error.message}`);
      this.#unknown = error.message;
      return undefined;
    });
    if (dead) this.#unknown = '';
    if (!cluster) throw new StoreError('CORRUPT', 'the ensemble has no record of its cluster');
    const observed = {
      config,
      cluster,
      version: config.version,
      configured: config.members,
      records,
      machines,
      leaving: new Set(leaving),
      terminated: dead ?? new Set<string>(),
      settings: cluster.settings,
    };
    const silence = knowsDeath ? new Map<string, number>() : await watch.silence(records, machines);
    const { synced } = viewOf({ ...observed, silence, behind: new Map() });
    const missing = watch.missing(this.#options.sight?.(), machines, observed.leaving);
    const behind = watch.behind(synced, [...config.members, ...invitedOf({ ...observed, silence, behind: new Map() })]);
    return { ...observed, silence, behind, ...(missing ? { missing } : {}) };
  }

  /** @returns what hindered it */
  async #take(
    step: EnsembleStep,
    { from, reason }: EnsemblePlan,
    seen: Seen,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { ensemble, log, admit, changed } = this.#options;
    const begun = performance.now();
    try {
      switch (step.kind) {
        case 'invite':
        case 'add': {
          const { id, instance, incarnation } = step.member;
          const machine = seen.machines.find((one) => one.instance === instance && one.incarnation === incarnation)!;
          const hindrance = await admit?.(instance, seen, signal);
          if (hindrance) return hindrance;
          if (!(await ensemble.assign(holderRecord(id, machine), { signal }))) return `server id ${id} is taken since`;
          if (step.kind === 'invite') break;
          const role = step.member.role === 'voter' ? 'participant' : 'observer';
          await ensemble.change({ join: { id, line: serverLine(machine, role) } }, from, { signal });
          break;
        }
        case 'remove': {
          const record = seen.records.find(({ id }) => id === step.id);
          if (record) await ensemble.retire(record, { signal }); // first: its holder must not take itself for one that is invited
          await ensemble.change({ leave: step.id }, from, { signal });
          break;
        }
        case 'promote':
        case 'demote': {
          const { line } = seen.config.members.find(({ id }) => id === step.id)!;
          const role = step.kind === 'promote' ? 'participant' : 'observer';
          await ensemble.change({ join: { id: step.id, line: inRole(line, role) } }, from, { signal });
        }
      }
      log(`info  ensemble: ${reason} (${(performance.now() - begun).toFixed(0)} ms)`);
      changed?.(reason);
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof StoreError)) throw error;
      return error.message;
    }
  }

  async #collect(keep: number | undefined, signal: AbortSignal): Promise<void> {
    const { collect, log } = this.#options;
    if (keep === undefined || !collect) return;
    const { releases, blobs, bytes } = await collect(keep, signal);
    if (releases > 0)
      log(`info  store: ${releases} old releases are taken out, and ${blobs} contents of ${bytes} bytes`);
  }

  async #tidy(seen: EnsembleObservation, signal: AbortSignal): Promise<void> {
    const { ensemble } = this.#options;
    for (const id of outdatedRecords(seen)) await ensemble.release(id, { signal });
    for (const instance of seen.leaving) {
      // the request has done its work when nothing of the machine is left
      const there = seen.machines.some((machine) => machine.instance === instance);
      if (!there && !seen.records.some((record) => record.instance === instance))
        await ensemble.hasLeft(instance, { signal });
    }
  }
}

/** The time in which this machine leads, and what it does meanwhile lasts. */
class Reign implements Disposable {
  readonly #over = new AbortController();
  readonly signal: AbortSignal;

  constructor(ends: readonly AbortSignal[]) {
    this.signal = AbortSignal.any([...ends, this.#over.signal]);
  }

  [Symbol.dispose](): void {
    this.#over.abort();
  }
}

/** `ADDRESS:QUORUM:ELECTION:ROLE;LOOPBACK:PORT`: the plain client port is the machine's own. */
export function serverLine(
  { address, ports }: { readonly address: string; readonly ports: MemberPorts },
  role: 'participant' | 'observer',
): string {
  const host = address.includes(':') && !address.startsWith('[') ? `[${address}]` : address;
  return `${host}:${ports.quorum}:${ports.election}:${role};127.0.0.1:${ports.local}`;
}

function inRole(line: string, role: 'participant' | 'observer'): string {
  return line.replace(/:(participant|observer);/, `:${role};`);
}

export function holderRecord(id: number, machine: Omit<MemberRecord, 'id'> | MachineRecord): MemberRecord {
  const { format, instance, incarnation, zone, address, ports } = machine;
  return { format, id, instance, incarnation, zone, address, ports };
}

/** Since when what should be there is not, on this machine's monotonic clock alone (P6). */
class Watch {
  readonly #silentSince = new Map<string, number>();
  readonly #behindSince = new Map<number, number>();
  #short: { readonly staying: number; readonly count: number; readonly at: number } | undefined;

  /**
   * Seconds since each holder that shows itself no more was last heard. One whose agent is stopped while its server goes on is not silent:
   * its port answers.
   */
  async silence(records: readonly MemberRecord[], machines: readonly MachineRecord[]): Promise<Map<string, number>> {
    const there = new Set(machines.map(({ instance }) => instance));
    const absent = records.filter(({ instance }) => !there.has(instance));
    const asked = performance.now(); // silence begins when it was found, not when the question gave up
    const answers = await Promise.all(
      absent.map(({ address, ports }) => answersAt(address, ports.quorum, ports.client)),
    );
    const silent = absent.filter((_, at) => !answers[at]).map(({ instance }) => instance);
    return since(this.#silentSince, silent, asked);
  }

  /** Machines that the groups are to have and that are not there, and for how long none has come and none more was wanted. */
  missing(
    sight: FleetSight | undefined,
    machines: readonly MachineRecord[],
    leaving: ReadonlySet<string>,
  ): EnsembleObservation['missing'] {
    const staying = machines.filter(({ instance }) => !leaving.has(instance)).length;
    const count = (sight?.groups.reduce((sum, { desired }) => sum + desired, 0) ?? 0) - staying;
    if (count <= 0) {
      this.#short = undefined;
      return undefined;
    }
    const now = performance.now();
    const before = this.#short;
    const isNews = !before || staying > before.staying || count > before.count;
    this.#short = { staying, count, at: isNews ? now : before.at };
    return { count, seconds: (now - this.#short.at) / 1000 };
  }

  behind(synced: ReadonlySet<number>, members: readonly { readonly id: number }[]): Map<number, number> {
    const late = members.map(({ id }) => id).filter((id) => !synced.has(id));
    return since(this.#behindSince, late, performance.now());
  }
}

/** Seconds since each of these was first among them without a break. */
function since<K>(known: Map<K, number>, now: readonly K[], at: number): Map<K, number> {
  for (const key of known.keys()) if (!now.includes(key)) known.delete(key);
  for (const key of now) if (!known.has(key)) known.set(key, at);
  return new Map([...known].map(([key, from]) => [key, (at - from) / 1000]));
}

/** Whether any of the ports takes a connection. */
async function answersAt(host: string, ...ports: number[]): Promise<boolean> {
  const answers = await Promise.all(
    ports.map(
      (port) =>
        new Promise<boolean>((resolve) => {
          const socket = connect({ host, port });
          const finish = (answer: boolean): void => {
            socket.destroy();
            resolve(answer);
          };
          socket.setTimeout(PROBE_MS, () => finish(false));
          socket.once('connect', () => finish(true)).once('error', () => finish(false)); // refused, or no way there
        }),
    ),
  );
  return answers.includes(true);
}

/** The plan as others see it: written when it changes. */
class Told {
  readonly #options: ControllerOptions;
  #last = '';
  #shared: string | undefined;

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  async tell(plan: EnsemblePlan, trouble: string | undefined, signal: AbortSignal): Promise<void> {
    const { ensemble, instance, log } = this.#options;
    const { settled, reason } = plan;
    const record = { format: 1, controller: instance, settled, reason, ...(trouble ? { trouble } : {}) };
    const text = JSON.stringify(record);
    if (text === this.#last) return;
    await ensemble.tellPlan(record, { signal });
    if (!plan.step || trouble)
      log(`info  ensemble: ${settled ? 'settled: ' : ''}${reason}${trouble ? `; not yet: ${trouble}` : ''}`);
    this.#last = text;
  }

  async share(signal: AbortSignal): Promise<void> {
    const { ensemble, instance, sight } = this.#options;
    const seen = sight?.();
    const text = seen && JSON.stringify(seen);
    if (!seen || text === this.#shared) return;
    this.#shared = text;
    try {
      await ensemble.tellFleet({ format: 1, by: instance, ...seen }, { signal });
    } catch (error) {
      signal.throwIfAborted();
      // each machine that has to know asks itself: no reason to give the lead back
      this.#options.log(`warn  the fleet as it was seen cannot be shared: ${(error as Error).message}`);
    }
  }
}
