import {
  type ClusterRecord,
  type DeploymentFault,
  type FoundingStep,
  type MembershipDecision,
  type PeerAnswer,
  type PeerState,
  planMembership,
} from '@quorate/model';
import type { Asker, Collected, Ensemble, EnsembleConfiguration, Store } from '@quorate/store';
import { type Arbiter, enterMember, type Ruling } from '../arbiter/index.ts';
import { type ArchiveState, archiveState } from '../archive/index.ts';
import { keepArchive } from '../archive/keeper.ts';
import { noteOwnDeed } from '../audit.ts';
import type { Discovery } from '../discovery/index.ts';
import { cloudWatch } from '../rollout/alarm-gate.ts';
import type { keepRollouts } from '../rollout/index.ts';
import type { EnsembleSection, Settings } from '../settings/index.ts';
import type { TrustFolder } from '../trust/index.ts';
import { Controller, holderRecord } from './controller.ts';
import { lookAtFounding, terminatedOf } from './founding.ts';
import type { MemberIdentity } from './identity.ts';
import type { MemberReport } from './judge.ts';
import { News } from './news.ts';
import { orders } from './orders.ts';
import { OwnMember } from './own-member.ts';
import { noteServers } from './servers.ts';

/** ms between looks without news */
const LOOK_MS = 2000;
/** ms, about, between looks at an ensemble that serves while nothing is told: what is told may be lost */
const REST_MS = 60_000;
/** ms until an ensemble that does not answer counts as out of reach */
const ASK_MS = 5000;

export interface ManagerOptions {
  readonly settings: Settings & { readonly ensemble: EnsembleSection; readonly address: string };
  readonly identity: MemberIdentity;
  /** the store, as soon as it has been reached once */
  readonly connected: Promise<Store>;
  readonly arbiter: Arbiter;
  readonly discovery: Discovery;
  readonly trust: TrustFolder;
  /** further lines of zoo.cfg, for TLS */
  readonly lines: readonly string[];
  /** told of each look at the member */
  readonly report: (report: MemberReport) => void;
  /** told of the archive while this machine leads */
  readonly archived?: (state: ArchiveState | undefined) => void;
  /** told, while this machine leads, which deployments are not published */
  readonly undeployed?: (faults: readonly DeploymentFault[]) => void;
  /** whether this machine is to have no place in the ensemble now; asked at each look */
  readonly withdrawn?: (() => boolean) | undefined;
  /** whether this machine ends within minutes, whatever waits for it; asked at each look */
  readonly ends?: (() => boolean) | undefined;
  readonly log: (line: string) => void;
}

/** What an ensemble that serves says. */
interface Heard {
  readonly ensemble: Ensemble;
  readonly cluster: ClusterRecord | undefined;
  readonly configuration: EnsembleConfiguration;
  readonly decision: MembershipDecision;
  /** machines that are asked to leave */
  readonly leaving: ReadonlySet<string>;
  /** whether this machine is still known to hold an id */
  readonly holds: boolean;
}

/**
 * Makes this machine part of an ensemble that nobody declares: `planFounding` tells what it does as long as none serves, `planMembership` what
 * it does in one that does, and when it leads, `planEnsemble` who is a member.
 */
export class EnsembleManager {
  readonly #options: ManagerOptions;
  readonly #member: OwnMember;
  readonly #news = new News();
  #store: Store | undefined;
  #controlling: AbortController | undefined;
  #shown = '';
  #said = '';
  /** why the last look failed: each look that fails alike is told once */
  #failed = '';
  #known = '';
  /** whether the ensemble answered at the last look */
  #heard = false;
  #isFounded = false;
  /** whether this machine was to leave, at the last look */
  #leaving = false;
  /** whether it was asked by this machine's own life, not by somebody, that it leaves */
  #withdrew = false;
  /** whether nothing is to be done here before something changes */
  #rests = false;

  constructor(options: ManagerOptions) {
    this.#options = options;
    const { settings, lines, log, identity } = options;
    this.#member = new OwnMember(identity, {
      settings,
      lines,
      trust: options.trust.path,
      log,
      othersServe: () => this.#heard,
      report: (report) => {
        options.report(report);
        if (this.#differs(report)) this.#news.arrived();
      },
    });
  }

  get #asker(): Asker {
    const member = this.#member;
    return {
      instance: this.#options.settings.instance,
      get id() {
        return member.identity.id;
      },
    };
  }

  /** Whether the fleet is to be told of it. */
  #differs({ state, mode, detail }: MemberReport): boolean {
    const known = this.#known;
    this.#known = JSON.stringify([state, mode, detail]);
    return this.#known !== known;
  }

  /** Before anybody is told of a promise that an earlier run gave. */
  keepPromise(): Promise<void> {
    return this.#member.keepPromise();
  }

  /** What another instance is told, also while this machine's server is stopped. */
  state(): Promise<PeerState> {
    return this.#member.state();
  }

  /** Whether this machine knows that its cluster is founded, by its ensemble or by the arbiter. */
  get isFounded(): boolean {
    return this.#isFounded;
  }

  /** Until the signal. The ZooKeeper process goes on without us. */
  async run(signal: AbortSignal): Promise<void> {
    void this.#options.connected.then((store) => {
      if (!store.ensemble) return;
      this.#store = store;
      this.#news.arrived();
      this.#news.follow(store.ensemble.changes({ signal, asker: this.#asker }));
    });
    while (!signal.aborted) {
      try {
        await this.#look(signal);
        this.#failed = '';
      } catch (error) {
        const { message } = error as Error;
        const isTold = message === this.#failed || this.#member.report.detail?.includes(message);
        if (!signal.aborted && !isTold) this.#options.log(`warn  member: ${message}`);
        this.#failed = message;
        this.#rests = false;
      }
      await this.#pause(signal);
    }
    this.#control(undefined);
    await this.#member.leave();
  }

  /** Until there is news. While all is well the ensemble is asked by itself once in a while only: a fleet has many machines. */
  async #pause(signal: AbortSignal): Promise<void> {
    const until = performance.now() + REST_MS * (0.5 + Math.random());
    do if (await this.#news.wait(LOOK_MS, signal)) return;
    while (!signal.aborted && this.#rests && !(await this.#isOrdered()) && performance.now() < until);
  }

  /** The operator's word lies on this machine's disk: that is looked at all the time. */
  async #isOrdered(): Promise<boolean> {
    const leaving = await this.#isToLeave();
    return leaving !== this.#leaving || (leaving && this.#shown !== '');
  }

  async #isToLeave(): Promise<boolean> {
    return this.#options.withdrawn?.() || (await orders.leaving(this.#options.settings.state));
  }

  async #look(signal: AbortSignal): Promise<void> {
    const heard = await this.#hear(signal);
    this.#heard = heard !== undefined;
    this.#rests = heard !== undefined && !this.#isUnsettled(heard);
    if (heard?.cluster && !this.#isUnsettled(heard)) this.#isFounded = true;
    if (!heard || this.#isUnsettled(heard)) {
      const followed = await this.#lookAtFounding(heard, signal);
      if (!followed) return;
    }
    if (!heard) return;
    const { settings } = this.#options;
    await noteServers(
      settings.state,
      heard.configuration.members.map(({ address }) => address),
    );
    await this.#learn(heard.ensemble);
    const leaving = await this.#isToLeave();
    this.#leaving = leaving;
    const isAsked = heard.leaving.has(settings.instance);
    if (isAsked && !leaving && !this.#withdrew) await orders.leave(settings.state);
    if (!isAsked) this.#withdrew = false;
    this.#withdrew ||= this.#options.withdrawn?.() ?? false;
    await this.#carryOut(heard, leaving);
  }

  /** What the ensemble says; undefined while none answers in time. */
  async #hear(signal: AbortSignal): Promise<Heard | undefined> {
    const ensemble = this.#store?.ensemble;
    if (!ensemble) return undefined;
    const options = { signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]) };
    try {
      const configuration = await ensemble.configuration(options); // first: records are newer than it, never older
      const [cluster, records, leaving] = await Promise.all([
        ensemble.cluster(options),
        ensemble.members(options),
        ensemble.leaving(options),
      ]);
      const { instance } = this.#options.settings;
      const configured = new Set(configuration.members.map(({ id }) => id));
      const { identity } = this.#member;
      const decision = planMembership({ instance, identity, cluster, records, configured });
      const holds = records.some((record) => record.instance === instance);
      return { ensemble, cluster, configuration, decision, leaving: new Set(leaving), holds };
    } catch {
      signal.throwIfAborted();
      return undefined; // no majority, no way, or no time: the store's own state tells why
    }
  }

  /** Whether an ensemble that answers may still be on its way through a founding. */
  #isUnsettled({ cluster }: Heard): boolean {
    const { identity, promised } = this.#member;
    return !cluster || promised !== undefined || cluster.generation < identity.generation;
  }

  /** @returns whether what the ensemble says is to be followed */
  async #lookAtFounding(heard: Heard | undefined, signal: AbortSignal): Promise<boolean> {
    const { settings } = this.#options;
    const own: PeerAnswer = { ...(await this.#member.state()), address: settings.address };
    const mayFound = await orders.begins(settings.state);
    const now = { session: heard !== undefined };
    const { step, ruling, troubles } = await lookAtFounding({ ...this.#options, mayFound }, own, now, signal);
    if (!heard) this.#control(undefined);
    // somebody has data: the authority that lets others in is not one that may still be lost
    if (Object.keys(ruling?.record?.members ?? {}).length > 0) this.#isFounded = true;
    if (ruling?.record?.state === 'founding' && ruling.record.founder.instance === own.instance) this.#member.begins();
    await this.#takeStep(step, ruling, [step.reason, ...troubles].join('; '));
    if (step.kind !== 'follow' || !heard) return false;
    return !(await this.#completeFounding(heard, ruling));
  }

  async #takeStep(step: FoundingStep, ruling: Ruling | undefined, why: string): Promise<void> {
    const member = this.#member;
    switch (step.kind) {
      case 'follow':
        return;
      case 'wait':
      case 'join':
      case 'stay-down':
        if (step.kind === 'stay-down' || member.identity.id === undefined) await member.stay(why);
        return;
      case 'start':
        member.explain(why);
        return member.serve();
      case 'found':
        this.#say('info ', `${step.reason} of the cluster ${member.identity.cluster}`);
        member.explain(step.reason);
        await member.found(step.generation);
        return;
      case 'renew':
        this.#say('warn ', step.reason);
        return member.renew(member.identity.generation);
      case 'promise':
        this.#say('warn ', step.reason);
        await member.promise(step.promised);
        return this.#news.arrived();
      case 'claim':
      case 'confirm':
      case 'withdraw': {
        const won = await this.#options.arbiter.claim(step.record, ruling!.version);
        this.#say(won ? 'info ' : 'warn ', won ? step.reason : 'another machine was faster at the arbiter');
        return this.#news.arrived();
      }
    }
  }

  /** What an ensemble begins with is written after the arbiter has confirmed it, and before anybody follows. @returns whether there was something to complete */
  async #completeFounding({ ensemble, cluster, configuration }: Heard, ruling: Ruling | undefined): Promise<boolean> {
    const { identity, machine } = this.#member;
    const { record } = ruling ?? {};
    const { id, generation } = identity;
    const isAlone = configuration.members.every((member) => member.id === id);
    if (id === undefined || !isAlone) return false;
    const isMine = record?.state === 'founded' && record.founder.instance === machine.instance;
    if (!isMine || record.generation !== generation) return cluster !== undefined && cluster.generation < generation;
    const { founding } = this.#options.settings.ensemble;
    const settings = cluster?.settings ?? founding;
    await ensemble.found({ format: 1, cluster: identity.cluster, generation, settings }, holderRecord(id, machine));
    this.#member.founded();
    this.#say('info ', `the cluster ${identity.cluster} is founded, generation ${generation}`);
    this.#news.arrived();
    return true;
  }

  /** What the leader's discovery saw, so that this machine need not ask. */
  async #learn(ensemble: Ensemble): Promise<void> {
    const { shared } = this.#options.discovery;
    if (!shared || this.#controlling) return; // it may be the one who asks
    const options = { signal: AbortSignal.timeout(ASK_MS) };
    const record = await ensemble.fleet(options).catch(() => undefined); // only a help: without it this machine asks itself
    if (record) shared.learn(record);
  }

  async #carryOut({ ensemble, cluster, configuration, decision, holds }: Heard, leaving: boolean): Promise<void> {
    const member = this.#member;
    const generation = cluster?.generation ?? member.identity.generation;
    switch (decision.kind) {
      case 'run':
        // a majority serves without it: all that was acknowledged is there
        if (member.report.state === 'corrupt') return this.#beginAnew(generation, member.report.detail);
        member.explain('');
        await member.serve(configuration);
        break;
      case 'join':
        this.#say('info ', `${decision.reason}: it starts`);
        await member.join(decision.id, configuration);
        break;
      case 'renew':
        return this.#beginAnew(generation, decision.reason);
      case 'wait':
        await member.stay(leaving ? LEFT : decision.reason);
    }
    if (cluster?.cluster !== member.identity.cluster) return this.#control(undefined);
    // until its id is given back it shows that it has other data now
    if (leaving && decision.kind === 'wait' && !holds) await this.#hide(ensemble);
    else {
      if (leaving) await ensemble.askToLeave(this.#options.settings.instance);
      await this.#show(ensemble);
    }
    this.#control(member.report.state === 'serving' ? ensemble : undefined);
  }

  async #beginAnew(generation: number, reason = 'its data is of no more use'): Promise<void> {
    this.#say('warn ', reason);
    await this.#member.renew(generation);
    this.#news.arrived();
  }

  async #show(ensemble: Ensemble): Promise<void> {
    const machine = { ...this.#member.machine, ...(this.#options.ends?.() && { ends: true }) };
    const text = JSON.stringify(machine);
    if (text === this.#shown) return;
    await ensemble.show(machine, { signal: AbortSignal.timeout(ASK_MS) });
    this.#shown = text;
  }

  async #hide(ensemble: Ensemble): Promise<void> {
    await ensemble.hide();
    this.#shown = '';
  }

  /** Stands for the lead while this machine's own server serves. */
  #control(ensemble: Ensemble | undefined): void {
    if (!ensemble) {
      this.#controlling?.abort();
      this.#controlling = undefined;
    } else if (!this.#controlling) {
      this.#controlling = new AbortController();
      const { settings, log, discovery, arbiter } = this.#options;
      const terminated = (about: readonly string[]): Promise<ReadonlySet<string>> => terminatedOf(discovery, about);
      const controller = new Controller({
        ensemble,
        instance: settings.instance,
        log,
        terminated,
        ...(discovery.knowsDeath ? { knowsDeath: true } : {}),
        sight: () => discovery.shared?.last,
        collect: (keep, signal) => this.#collect(keep, signal),
        changed: (what) => void noteOwnDeed(this.#store!, { action: 'member', what, instance: settings.instance }, log),
        leading: (signal) => {
          const store = this.#store!;
          const report = this.#options.archived;
          const alarms = settings.aws && cloudWatch(settings);
          return Promise.all([
            keepArchive({ store, ensemble, instance: settings.instance, log, report }, signal),
            this.#deploy(store, signal),
            leadRollouts({ store, by: settings.instance, log, terminated, alarms }, signal),
          ]);
        },
        admit: (machine, { cluster, records, terminated }, signal) => {
          const known = records.map(({ instance }) => instance);
          const { incarnation } = this.#member.identity;
          const self = { instance: settings.instance, incarnation, address: settings.address };
          return enterMember(arbiter, machine, { ...cluster, controller: self, known }, terminated, signal);
        },
      });
      void controller.run(this.#controlling.signal);
    }
  }

  /** Few clusters are deployed to. */
  async #deploy(store: Store, signal: AbortSignal): Promise<void> {
    const { settings, log, undeployed: report } = this.#options;
    const path = settings.aws?.deployments;
    if (path === undefined) return;
    const [{ ParameterDeployments }, { keepDeployments }] = await Promise.all([
      import('../aws/index.ts'),
      import('../deployments/index.ts'),
    ]);
    await keepDeployments({ store, source: new ParameterDeployments(settings, path), log, report }, signal);
  }

  /** Old releases go when the archive has them. */
  async #collect(keep: number, signal: AbortSignal): Promise<Collected> {
    const archive = await archiveState(this.#store!, { signal });
    if (archive && archive.behind > 0) return { releases: 0, blobs: 0, bytes: 0 };
    return this.#store!.collect({ keep }, { signal });
  }

  /** A line for the log, once as long as nothing else was said. */
  #say(level: string, text: string): void {
    if (text === this.#said) return;
    this.#said = text;
    this.#options.log(`${level} member: ${text}`);
  }
}

/** Loaded where it is needed: one machine of a fleet leads. */
const leadRollouts: typeof keepRollouts = async (options, signal) =>
  (await import('../rollout/index.ts')).keepRollouts(options, signal);

/** What the status says of a machine that has left in order; `quorate leave` waits for it. */
export const LEFT = 'this machine has left the ensemble';
