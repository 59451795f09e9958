import { setTimeout as delay } from 'node:timers/promises';
import type { DeploymentFault, InstanceStatus } from '@quorate/model';
import { Hints, type OpenOptions, openStore, type Store } from '@quorate/store';
import type { ArchiveState } from './archive/index.ts';
import type { Measured } from './aws/index.ts';
import type { LifeCycle, OwnState } from './aws/life-cycle.ts';
import type { BackupReport } from './backup-timer.ts';
import { belong } from './belong.ts';
import { BundleWorker } from './bundle-worker.ts';
import type { BundleDrift } from './disk/index.ts';
import { DriftKeeper } from './drift/index.ts';
import type { MemberReport } from './ensemble/judge.ts';
import { identify, type ProcessIdentity } from './ensemble/process.ts';
import { knownServers } from './ensemble/servers.ts';
import { AgentError } from './errors.ts';
import { Loop } from './loop.ts';
import { superviseDeclared } from './member-supervisor.ts';
import { type AgentDisk, ownDisk } from './own-disk.ts';
import { configurationOf, placeOf } from './own-state.ts';
import { Reports } from './reports.ts';
import type { BackupSettings, EnsembleSection, MemberSettings, MetricsSettings, Settings } from './settings/index.ts';
import { describeInstance, type LocalStatus, ownPlace } from './status-file.ts';
import { FleetWatch } from './templates/index.ts';

export type Log = (line: string) => void;

/** States that may end by themselves are tried again after these milliseconds, then each last one. */
const RETRY_MS = [1000, 2000, 5000, 15_000, 60_000];
const RETRIED = new Set(['refused', 'disk-full', 'read-only', 'missing-parent', 'unreachable', 'failed', 'replaced']);
/** Without any event everything is looked at again after these milliseconds at most: events may be lost, and native paths change by other hands. */
const RESYNC_MS = 60_000;

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
  readonly #resyncMs: number;
  readonly #disk: AgentDisk;
  readonly #open: (signal: AbortSignal) => Promise<Store>;
  readonly #workers = new Map<string, BundleWorker>();
  readonly #loops = new Map<string, Loop>();
  readonly #keepers: Promise<void>[] = [];
  /** bundles whose heads are to be looked at */
  readonly #moved = new Set<string>();
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
  /** whether the store's bundles were listed once */
  #listed = false;
  /** rollouts, where this agent stands for the lead of them */
  #leading: Promise<void> | undefined;
  #self: ProcessIdentity | undefined;
  #ending: AbortSignal | undefined;

  constructor(settings: Settings, options: AgentOptions = {}) {
    if (!settings.store)
      throw new AgentError(
        'BAD_SETTINGS',
        'no store is named: give --store, QUORATE_STORE or `store:` in the settings file',
      );
    this.#settings = settings;
    this.#log = options.log ?? (() => undefined);
    this.#resyncMs = options.resyncMs ?? RESYNC_MS;
    this.#reports = new Reports({
      here: () => this.#disk.tell(this.#localStatus),
      status: () => this.#status,
      store: () => (this.#reachable ? this.#store : undefined),
      log: this.#log,
    });
    this.#disk = options.disk ?? ownDisk(settings, this.#fleet.members, this.#log);
    this.#open =
      options.open ??
      ((signal) => openStore(settings.store!, { ...storeOptions(settings, this.#log, signal), hints: this.#hints }));
  }

  /**
   * Runs until the signal. The ZooKeeper member goes on without us.
   * @throws AgentError LOCKED when another agent has this state folder
   */
  async run(signal: AbortSignal): Promise<void> {
    process.umask(0o022); // whatever the agent was started with: others than root read what it puts in place
    await using _lock = await this.#disk.lock();
    this.#self = await identify(process.pid);
    this.#ending = signal;
    await this.#recover();
    const connected = Promise.withResolvers<Store>();
    const tasks = [this.#reports.measureClock(signal), this.#fleet.follow(() => this.#fleetChanged(signal), signal)];
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
      await Promise.allSettled([...[...this.#loops.values()].map((loop) => loop.ended), ...this.#keepers]);
      ending.abort();
      await backups?.catch(() => undefined); // told above, if it was the first to fail
      await this.#reports.settled();
      await this.#leading;
      await this.#store?.close();
      for (const worker of this.#workers.values()) worker.close();
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
      hasHeard: (store, ended) => this.#hasHeard(store, ended),
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
      ...configurationOf(this.#listed, [...this.#workers.values()]),
      place: this.#settings.ensemble ? await placeOf(this.#settings.state, this.#member) : 'none',
      isVoter: mode === 'leader' || mode === 'follower',
      store: this.#reachable ? this.#store : undefined,
    };
  }

  /** Whether every bundle that the store has a release of for this machine was looked at. */
  async #hasHeard(store: Store, signal: AbortSignal): Promise<boolean> {
    const names = (await store.bundles({ signal })).filter((name) => this.#wanted(name));
    const unheard = names.filter((name) => !this.#workers.get(name)?.status.target);
    const found = await Promise.all(unheard.map((name) => store.latest(name, { signal })));
    return found.every((latest) => !latest?.head.release); // a head without a release keeps nobody
  }

  /** What was applied last is in place before any network is asked (P5). */
  async #recover(): Promise<void> {
    const names = await this.#disk.bundles();
    // at once: one may have to wait for a command that still runs
    await Promise.all(
      names.map(async (name) => {
        await this.#worker(name).recover();
        this.#logBundle(name);
      }),
    );
    await this.#tell();
  }

  #worker(name: string): BundleWorker {
    let worker = this.#workers.get(name);
    if (!worker) {
      worker = new BundleWorker(name, () => this.#disk.place(name), {
        self: ownPlace(this.#settings),
        changed: () => this.#hearOfHealth(name),
        watched: (drift) => this.#keep(name, drift),
      });
      this.#workers.set(name, worker);
    }
    return worker;
  }

  /** Watches over the files of a bundle, until this agent ends. */
  #keep(name: string, drift: BundleDrift): DriftKeeper | undefined {
    const signal = this.#ending;
    if (!signal) return undefined;
    const keeper = new DriftKeeper(name, drift, {
      instance: this.#settings.instance,
      store: () => (this.#reachable ? this.#store : undefined),
      changed: () => void this.#tell(),
      wake: () => this.#wake(name, signal),
      log: this.#log,
    });
    this.#keepers.push(keeper.run(signal));
    return keeper;
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
        if (change.kind === 'head') this.#wake(change.bundle, signal);
        else if (change.kind === 'candidate') await this.#hear(store, change, signal);
        else await this.#wakeAll(store, signal);
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
        await delay(RETRY_MS[Math.min(attempt, 2)]! * (0.5 + Math.random()), undefined, { signal });
      }
    }
  }

  #setReachable(reachable: boolean, detail?: string): void {
    const same = this.#reachable === reachable && this.#unreachableDetail === detail;
    this.#reachable = reachable;
    this.#unreachableDetail = detail;
    if (!same || reachable) void this.#tell();
  }

  async #wakeAll(store: Store, signal: AbortSignal): Promise<void> {
    const names = new Set(this.#workers.keys());
    try {
      for (const name of await store.bundles({ signal })) if (this.#wanted(name)) names.add(name);
      for (const name of names) this.#worker(name);
      this.#listed = true;
    } catch (error) {
      signal.throwIfAborted();
      this.#log(`warn  the bundles could not be listed: ${(error as Error).message}`);
    }
    for (const name of names) this.#wake(name, signal);
  }

  #fleetChanged(signal: AbortSignal): void {
    for (const name of this.#workers.keys()) this.#wake(name, signal);
  }

  #wanted(name: string): boolean {
    return this.#settings.bundles === undefined || this.#settings.bundles.includes(name);
  }

  /** A candidate came, or the last one is over. Who does not run its bundle says so where all are asked: at its first release. */
  async #hear(
    store: Store,
    { bundle, stands }: { bundle: string; stands: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#wanted(bundle) || this.#workers.has(bundle)) {
      this.#worker(bundle).hear(stands);
      this.#loop(bundle, signal).wake();
      return;
    }
    if (!stands) return;
    try {
      const release = (await store.candidates?.standing(bundle, { signal }))?.release;
      if (release?.number === 1) await store.candidates!.vote(release, this.#settings.instance, 'pass', { signal });
    } catch (error) {
      signal.throwIfAborted();
      this.#log(`warn  ${bundle}: what is offered could not be passed on: ${(error as Error).message}`);
    }
  }

  #wake(name: string, signal: AbortSignal): void {
    if (!this.#wanted(name) && !this.#workers.has(name)) return;
    this.#moved.add(name);
    this.#loop(name, signal).wake();
  }

  #loop(name: string, signal: AbortSignal): Loop {
    let loop = this.#loops.get(name);
    if (!loop) {
      const quiet = (): Promise<void> => this.#worker(name).prepare();
      loop = new Loop((attempt) => this.#step(name, attempt, signal), quiet, signal);
      this.#loops.set(name, loop);
    }
    return loop;
  }

  /** @param attempt 0 when woken @returns after how many ms to look again by itself */
  async #step(name: string, attempt: number, signal: AbortSignal): Promise<number> {
    const worker = this.#worker(name);
    const moved = this.#moved.delete(name);
    if (moved || attempt > 0 || !worker.hasLooked) await this.#converge(worker, signal);
    if (worker.isAsked) {
      const said = await worker.vote(this.#store!, this.#settings.instance, signal);
      if (said) this.#log(said);
    }
    const retry = RETRIED.has(worker.status.state) || worker.isAsked ? RETRY_MS[attempt] : undefined;
    return Math.min(retry ?? Infinity, this.#resyncMs * (0.5 + Math.random() / 2)); // a release sets the clocks of a whole fleet alike
  }

  async #converge(worker: BundleWorker, signal: AbortSignal): Promise<void> {
    const before = worker.status;
    const status = await worker.converge(this.#store!, signal);
    if (worker.isRollingOut) this.#leadRollouts(this.#store!, signal);
    if (status === before) return;
    if (status.applied !== before.applied || status.state !== before.state || status.detail !== before.detail)
      this.#logBundle(worker.name);
    await this.#tell();
  }

  /** From the first rollout on, where nobody keeps the ensemble: who does, leads them too. */
  #leadRollouts(store: Store, signal: AbortSignal): void {
    if (this.#settings.ensemble || !store.capabilities.sessions) return;
    const options = { store, by: this.#settings.instance, log: this.#log };
    this.#leading ??= import('./rollout/index.ts').then(({ standForRollouts }) => standForRollouts(options, signal));
  }

  #hearOfHealth(name: string): void {
    this.#logBundle(name);
    void this.#tell();
  }

  #logBundle(name: string): void {
    const { applied, target, state, health, detail } = this.#worker(name).status;
    const isWell = (state === 'applied' || state === 'applying') && health !== 'unhealthy';
    const level = isWell ? 'info ' : 'warn ';
    const where = applied === target ? `release ${applied}` : `release ${applied}, asked for ${target}`;
    this.#log(`${level} ${name}: ${state}${health ? `, ${health}` : ''}, ${where}${detail ? `: ${detail}` : ''}`);
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
    const there = [...this.#workers].filter(([, worker]) => worker.isThere);
    const bundles = Object.fromEntries(
      there.map(([name, { status, drift }]) => [name, drift ? { ...status, drift } : status]),
    );
    return describeInstance(this.#settings, bundles, {
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
