import { setTimeout as delay } from 'node:timers/promises';
import type { DeploymentFault, InstanceStatus } from '@quorate/model';
import { Hints, type OpenOptions, openStore, type Store } from '@quorate/store';
import type { ArchiveState } from './archive/index.ts';
import type { Measured } from './aws/index.ts';
import type { LifeCycle, OwnState } from './aws/life-cycle.ts';
import type { BackupReport } from './backup-timer.ts';
import { belong } from './belong.ts';
import { Bundles } from './bundles.ts';
import type { MemberReport } from './ensemble/judge.ts';
import { identify, type ProcessIdentity } from './ensemble/process.ts';
import { knownServers } from './ensemble/servers.ts';
import { AgentError } from './errors.ts';
import { superviseDeclared } from './member-supervisor.ts';
import { type AgentDisk, ownDisk } from './own-disk.ts';
import { placeOf } from './own-state.ts';
import { Reports } from './reports.ts';
import type { BackupSettings, EnsembleSection, MemberSettings, MetricsSettings, Settings } from './settings/index.ts';
import { describeInstance, type LocalStatus } from './status-file.ts';
import { FleetWatch } from './templates/index.ts';

export type Log = (line: string) => void;

/** ms until the store is tried again, the first time, the second, and then */
const RECONNECT_MS = [1000, 2000, 5000];

export interface AgentOptions {
  readonly log?: Log;
  /** ms without any event after which everything is looked at again, at most */
  readonly resyncMs?: number;
  /** the machine's own unless given */
  readonly disk?: AgentDisk;
  /** How the store is reached: by the settings unless given. It is tried again and again, and closed at the end. */
  readonly open?: (signal: AbortSignal) => Promise<Store>;
}

/** The daemon of one machine: keeps each bundle where its head is, whatever events are lost, doubled or late (P4). */
export class Agent {
  readonly #settings: Settings;
  readonly #log: Log;
  readonly #disk: AgentDisk;
  readonly #open: (signal: AbortSignal) => Promise<Store>;
  readonly #bundles: Bundles;
  readonly #reports: Reports;
  readonly #fleet = new FleetWatch();
  readonly #hints = new Hints();
  #store: Store | undefined;
  #reachable = false;
  #unreachableDetail: string | undefined;
  #member: MemberReport | undefined;
  #backup: BackupReport | undefined;
  #archive: ArchiveState | undefined;
  #undeployed: readonly DeploymentFault[] = [];
  #lifeCycle: LifeCycle | undefined;
  #self: ProcessIdentity | undefined;

  constructor(settings: Settings, options: AgentOptions = {}) {
    if (!settings.store)
      throw new AgentError(
        'BAD_SETTINGS',
        'no store is named: give --store, QUORATE_STORE or `store:` in the settings file',
      );
    this.#settings = settings;
    this.#log = options.log ?? (() => undefined);
    this.#reports = new Reports({
      here: () => this.#disk.tell(this.#localStatus),
      status: () => this.#status,
      store: () => (this.#reachable ? this.#store : undefined),
      log: this.#log,
    });
    this.#disk = options.disk ?? ownDisk(settings, this.#fleet.members, this.#log);
    this.#bundles = new Bundles({
      settings,
      disk: this.#disk,
      store: () => this.#store,
      isReachable: () => this.#reachable,
      changed: () => this.#tell(),
      log: this.#log,
      ...(options.resyncMs === undefined ? {} : { resyncMs: options.resyncMs }),
    });
    this.#open =
      options.open ??
      ((signal) => openStore(settings.store!, { ...storeOptions(settings, this.#log, signal), hints: this.#hints }));
  }

  /**
   * Runs until the signal. The ZooKeeper member goes on without us.
   * @throws AgentError LOCKED when another agent has this state folder, or a command that does not end
   */
  async run(signal: AbortSignal): Promise<void> {
    process.umask(0o022); // whatever the agent was started with: others than root read what it puts in place
    await using lock = await this.#lock(signal);
    if (!lock) return;
    this.#self = await identify(process.pid);
    await this.#bundles.recover(signal);
    await this.#tell();
    const connected = Promise.withResolvers<Store>();
    const tasks = [this.#reports.measureClock(signal), this.#fleet.follow(() => this.#bundles.look(signal), signal)];
    this.#lifeCycle = await this.#openLifeCycle(signal);
    if (this.#lifeCycle) tasks.push(this.#lifeCycle.run(signal));
    const { metrics, notify } = this.#settings.aws ?? {};
    if (metrics) tasks.push(this.#measure(metrics, signal));
    if (notify) tasks.push(this.#followNotices(signal));
    const { ensemble, member, backup } = this.#settings;
    if (ensemble) tasks.push(this.#belong({ ...this.#settings, ensemble }, connected, signal));
    else {
      tasks.push(this.#follow(signal, connected.resolve));
      if (member) tasks.push(this.#supervise(member, signal));
    }
    const ending = new AbortController();
    const ends = AbortSignal.any([signal, ending.signal]);
    const backups = backup && this.#backUp(backup, connected.promise, ends);
    if (backups) tasks.push(backups);
    try {
      await Promise.all(tasks);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await this.#bundles.ended();
      ending.abort();
      await backups?.catch(() => undefined); // told above, if it was the first to fail
      await this.#reports.settled();
      await this.#bundles.led();
      await this.#store?.close();
      this.#bundles.close();
    }
  }

  /** @returns undefined when the signal has ended the wait for a command that had it */
  async #lock(signal: AbortSignal): Promise<AsyncDisposable | undefined> {
    const waits = (line: string): void => this.#log(`info  ${line}`);
    try {
      return await this.#disk.lock({ holder: 'agent', signal, waits });
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }

  /** On an EC2 instance: decided once before anything is joined or founded. */
  async #openLifeCycle(signal: AbortSignal): Promise<LifeCycle | undefined> {
    const { aws, state, instance } = this.#settings;
    if (!aws) return undefined;
    const { lifeCycleOf, noteFacts } = await import('./aws/index.ts'); // few machines have this setting
    if (aws.own) await noteFacts(state, aws.own);
    if (!aws.lifeCycle) return undefined;
    const lifeCycle = lifeCycleOf(this.#settings, {
      instance,
      settings: aws.lifeCycle,
      own: () => this.#ownState(),
      isOwnEnsemble: this.#settings.ensemble !== undefined,
      hasHeard: (store, ended) => this.#bundles.haveHeard(store, ended),
      changed: () => void this.#tell(),
      log: this.#log,
    });
    await lifeCycle.decide(signal);
    return lifeCycle;
  }

  async #followNotices(signal: AbortSignal): Promise<void> {
    const { keepNotices } = await import('./aws/index.ts');
    const isLeaving = (): boolean => this.#lifeCycle?.isWithdrawn ?? false;
    await keepNotices(this.#settings, { hints: this.#hints, isLeaving, log: this.#log }, signal);
  }

  async #measure(metrics: MetricsSettings, signal: AbortSignal): Promise<void> {
    const { measureFleet, tellMetrics } = await import('./aws/index.ts');
    const { aws } = this.#settings;
    const measure = async (): Promise<Measured> => {
      const member = this.#member;
      const isLeader = member?.mode === 'leader' && this.#store && this.#reachable;
      const fleet = isLeader ? await measureFleet(this.#store!, this.#archive, signal) : undefined;
      return {
        instance: this.#status,
        cluster: this.#settings.ensemble?.cluster ?? this.#settings.store!,
        reachable: this.#reachable,
        memberDown: member !== undefined && member.state !== 'absent' && member.state !== 'serving',
        ...(fleet ? { fleet: { ...fleet, undeployed: aws?.deployments ? this.#undeployed.length : undefined } } : {}),
      };
    };
    await tellMetrics(metrics, measure, this.#log, signal);
  }

  async #ownState(): Promise<OwnState> {
    const mode = this.#member?.mode;
    return {
      ...this.#bundles.configuration,
      place: this.#settings.ensemble ? await placeOf(this.#settings.state, this.#member) : 'none',
      isVoter: mode === 'leader' || mode === 'follower',
      store: this.#reachable ? this.#store : undefined,
    };
  }

  /** Connects, for as long as it takes, and then turns each change into a look. */
  async #follow(signal: AbortSignal, connected: (store: Store) => void): Promise<void> {
    const store = await this.#connect(signal);
    this.#store = store;
    this.#fleet.ask(store);
    connected(store);
    for await (const change of store.changes({ signal })) {
      if (change.kind === 'unreachable') {
        if (this.#reachable) this.#log(`warn  the store is out of reach: ${change.error.message}; what is here stays`);
        this.#setReachable(false, change.error.message);
      } else {
        if (!this.#reachable) this.#log(`info  connected to ${store.url}`);
        this.#setReachable(true);
        await this.#bundles.hear(store, change, signal);
      }
    }
    signal.throwIfAborted();
  }

  async #connect(signal: AbortSignal): Promise<Store> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#open(signal);
      } catch (error) {
        signal.throwIfAborted();
        if ((error as { code?: string }).code === 'BAD_URL') throw error;
        const message = (error as Error).message;
        if (this.#unreachableDetail !== message) this.#log(`warn  ${message}`);
        this.#setReachable(false, message);
        await delay(RECONNECT_MS[Math.min(attempt, 2)]! * (0.5 + Math.random()), undefined, { signal });
      }
    }
  }

  #setReachable(reachable: boolean, detail?: string): void {
    const same = this.#reachable === reachable && this.#unreachableDetail === detail;
    this.#reachable = reachable;
    this.#unreachableDetail = detail;
    if (!same || reachable) void this.#tell();
  }

  /** In an ensemble that nobody declares the store is this fleet's own: it is looked for as soon as this machine has been let in. */
  async #belong(
    settings: Settings & { readonly ensemble: EnsembleSection },
    connected: PromiseWithResolvers<Store>,
    signal: AbortSignal,
  ): Promise<void> {
    const trusted = Promise.withResolvers<void>();
    const belonging = belong(
      {
        settings,
        connected: connected.promise,
        trusted: trusted.resolve,
        report: (report) => this.#hearOfMember(report),
        archived: (state) => this.#hearOfArchive(state),
        undeployed: (faults) => this.#hearOfDeployments(faults),
        withdrawn: () => this.#lifeCycle?.isWithdrawn ?? false,
        ends: () => this.#lifeCycle?.isTakenBack ?? false,
        log: this.#log,
      },
      signal,
    );
    const following = trusted.promise.then(() => this.#follow(signal, connected.resolve));
    await Promise.race([belonging, Promise.all([belonging, following])]);
  }

  async #supervise(settings: MemberSettings, signal: AbortSignal): Promise<void> {
    for await (const report of superviseDeclared(settings, this.#settings.state, this.#log, signal))
      this.#hearOfMember(report);
  }

  #hearOfMember(report: MemberReport): void {
    const same =
      report.state === this.#member?.state &&
      report.detail === this.#member.detail &&
      report.mode === this.#member.mode;
    this.#member = report;
    if (same) return;
    const { state, mode, detail } = report;
    const level = ['serving', 'starting', 'seeking', 'absent'].includes(state) ? 'info ' : 'warn ';
    this.#log(`${level} member: ${mode ?? state}${detail ? `: ${detail}` : ''}`);
    void this.#tell();
  }

  #hearOfArchive(state: ArchiveState | undefined): void {
    if (JSON.stringify(state) === JSON.stringify(this.#archive)) return;
    this.#archive = state;
    void this.#tell();
  }

  #hearOfDeployments(faults: readonly DeploymentFault[]): void {
    this.#undeployed = faults;
    void this.#tell();
  }

  async #backUp(backup: BackupSettings, connected: Promise<Store>, signal: AbortSignal): Promise<void> {
    const { superviseBackups } = await import('./backup-timer.ts'); // few machines have this setting
    for await (const report of superviseBackups(this.#settings, backup, connected, signal)) {
      const { state, detail, last } = report;
      if (state === 'failed') this.#log(`warn  backup: ${detail}`);
      else if (state === 'waiting' && this.#backup?.state === 'running')
        this.#log(`info  backup: ${last!.file} holds ${last!.releases} releases of ${last!.bundles} bundles`);
      this.#backup = report;
      await this.#tell();
    }
  }

  get #status(): InstanceStatus {
    return describeInstance(this.#settings, this.#bundles.statuses, {
      member: this.#member?.mode,
      clock: this.#reachable ? this.#reports.offset : undefined,
      deployments: this.#undeployed,
    });
  }

  #tell(): Promise<void> {
    return this.#reports.tell();
  }

  get #localStatus(): LocalStatus {
    const member = this.#member;
    return {
      instance: this.#status,
      store: {
        url: this.#settings.store!,
        reachable: this.#reachable,
        ...(this.#unreachableDetail ? { detail: this.#unreachableDetail } : {}),
      },
      ...(member ? { member: { state: member.state, ...(member.detail ? { detail: member.detail } : {}) } } : {}),
      ...(this.#backup ? { backup: this.#backup } : {}),
      ...(this.#archive ? { archive: this.#archive } : {}),
      ...(this.#lifeCycle ? { lifeCycle: this.#lifeCycle.report } : {}),
      agent: this.#self!,
    };
  }
}

function storeOptions(settings: Settings, log: Log, signal: AbortSignal): OpenOptions {
  const { tls, ensemble } = settings;
  const tell = (line: string): void => log(`warn  ${line}`);
  return { signal, tell, ...(tls ? { tls } : {}), ...(ensemble ? { servers: () => knownServers(settings) } : {}) };
}
