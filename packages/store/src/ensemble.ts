import type {
  ArchiveRecord,
  ClusterRecord,
  ClusterSettings,
  FleetRecord,
  MachineRecord,
  MemberRecord,
  PlanRecord,
  Release,
} from '@quorate/model';
import type { CallOptions } from './store.ts';

/** One server of the ensemble's own configuration. */
export interface ConfigMember {
  readonly id: number;
  readonly role: 'voter' | 'observer';
  /** host of its quorum port */
  readonly address: string;
  /** what stands behind `server.N=` */
  readonly line: string;
}

/** What the ensemble itself says about its membership. */
export interface EnsembleConfiguration {
  /** for the compare-and-set of the next change */
  readonly version: string;
  readonly members: readonly ConfigMember[];
}

/** One change of the membership. */
export type MembershipChange =
  /** `line` is what stands behind `server.N=` */
  { readonly join: { readonly id: number; readonly line: string } } | { readonly leave: number };

/** A machine that follows what becomes of itself. */
export interface Asker {
  readonly instance: string;
  /** its server id now, if it has one */
  readonly id: number | undefined;
}

/** Who shows itself, as of a moment ago. */
export interface FollowedMachines extends AsyncDisposable {
  /** @throws StoreError CORRUPT, NEWER_FORMAT */
  machines(): MachineRecord[];
  /** reasons to look again, until it ends or the signal fires */
  changes(options: { readonly signal: AbortSignal }): AsyncIterable<void>;
}

/** The lead among the machines, until it is given back or lost. */
export interface Lead extends AsyncDisposable {
  /** fires before anybody else can lead */
  readonly signal: AbortSignal;
}

/**
 * The ensemble behind a store, for those who run its members: the records below `ensemble/`, and the membership.
 * Every method may throw StoreError UNREACHABLE, NOT_ALLOWED, CORRUPT, NEWER_FORMAT, or the signal's reason.
 */
export interface Ensemble {
  /** Which cluster this is; undefined before it is founded. */
  cluster(options?: CallOptions): Promise<ClusterRecord | undefined>;
  /** Writes what a new ensemble begins with, or what a re-founded one goes on with. Repeatable. */
  found(cluster: ClusterRecord, first: MemberRecord, options?: CallOptions): Promise<void>;

  /** Changes what holds for the whole cluster; what is undefined is taken out. @throws StoreError NOT_FOUND before it is founded */
  adjust(change: Partial<ClusterSettings>, options?: CallOptions): Promise<ClusterRecord>;

  /** Lets publishers in: of this generation the archive was read to its end. Repeatable, and without effect when it is another one by now. */
  archiveRead(generation: number, options?: CallOptions): Promise<ClusterRecord>;

  /** Keeps publishers out until the archive is read again, where there is one: for who founds again, before anybody else gets there. Repeatable. */
  shut(options?: CallOptions): Promise<void>;

  /** How the archive stands, as whoever leads has seen it last. */
  archive(options?: CallOptions): Promise<ArchiveRecord | undefined>;
  tellArchive(record: ArchiveRecord, options?: CallOptions): Promise<void>;
  /**
   * Waits until the archive has a release that stands, where that is the cluster's durability: until then it is not acknowledged.
   * @throws StoreError NOT_ARCHIVED after half a minute
   */
  archived(release: Release, options?: CallOptions): Promise<void>;

  /** The configuration as the ensemble's leader has it now, and whatever is read after it is no older. */
  configuration(options?: CallOptions): Promise<EnsembleConfiguration>;
  /**
   * One conditional change. @returns the configuration after it
   * @throws StoreError CONFLICT when it is not at `from` any more; NOT_IN_SYNC when a majority of the new voters is not there
   */
  change(change: MembershipChange, from: string, options?: CallOptions): Promise<EnsembleConfiguration>;

  /** Lets publishers in whose certificates name this bundle: they publish its further releases, and nothing else. For an instance. Repeatable. */
  letPublish(bundle: string, options?: CallOptions): Promise<void>;

  /** Who holds the server ids. */
  members(options?: CallOptions): Promise<MemberRecord[]>;
  /** Gives an id to its holder. @returns false when somebody has it already */
  assign(member: MemberRecord, options?: CallOptions): Promise<boolean>;
  /** Notes that a holder is taken out of the configuration: its data is of no more use. Repeatable. */
  retire(member: MemberRecord, options?: CallOptions): Promise<void>;
  /** Takes a holder's record away. Repeatable. */
  release(id: number, options?: CallOptions): Promise<void>;

  /** Machines that show themselves now. */
  machines(options?: CallOptions): Promise<MachineRecord[]>;
  /** Shows this machine for as long as the store is open, over all sessions. Repeatable. */
  show(machine: MachineRecord, options?: CallOptions): Promise<void>;

  /** Shows it no more. Repeatable. */
  hide(options?: CallOptions): Promise<void>;

  /** Machines that are asked to leave; the request stays until they have. */
  leaving(options?: CallOptions): Promise<string[]>;
  askToLeave(instance: string, options?: CallOptions): Promise<void>;
  hasLeft(instance: string, options?: CallOptions): Promise<void>;

  /** What the controller does now, and why. */
  plan(options?: CallOptions): Promise<PlanRecord | undefined>;
  tellPlan(plan: PlanRecord, options?: CallOptions): Promise<void>;

  /** Which machines the leader's discovery saw; undefined where it costs nothing to ask. */
  fleet(options?: CallOptions): Promise<FleetRecord | undefined>;
  tellFleet(fleet: FleetRecord, options?: CallOptions): Promise<void>;

  /**
   * Reasons to look again at the cluster, the members or the leavers; begins with one. Doubled or late, never lost. Ends with the signal.
   * @param options.asker hears at once of what concerns it, and of what concerns other machines some seconds later, several as one
   */
  changes(options: { readonly signal: AbortSignal; readonly asker?: Asker }): AsyncIterable<void>;

  /** The machines, kept up to date in memory for whoever leads: a large fleet has many. Ends with the session. */
  followMachines(options?: CallOptions): Promise<FollowedMachines>;

  /** Waits until this machine leads. */
  lead(instance: string, options: { readonly signal: AbortSignal }): Promise<Lead>;
}
