/** One server of the ensemble's configuration. */
export interface Member {
  /** server id, 1 to 254 */
  readonly id: number;
  /** whose it is */
  readonly instance: string;
  /** which data directory it was added with: an instance that lost its data is another holder, and gets another id */
  readonly incarnation: string;
  readonly role: 'voter' | 'observer';
  readonly zone: string;
}

/** One machine of the fleet that can run a member. */
export interface Candidate {
  readonly instance: string;
  readonly incarnation: string;
  readonly zone: string;
}

export type Invited = Omit<Member, 'role'>;

/** What the controller has seen, all at about the same time. Facts only: what follows from them is `planEnsemble`'s. */
export interface EnsembleView {
  /** the configuration, and its version for the compare-and-set of the next one */
  readonly config: { readonly version: string; readonly members: readonly Member[] };
  /** server ids of the members, and of those invited, that follow the leader and have what it has, the leader included */
  readonly synced: ReadonlySet<number>;
  /** the leader's server id */
  readonly leader: number;
  /** machines that show themselves */
  readonly live: readonly Candidate[];
  /**
   * machines that were given an id before they are in the configuration: they follow the leader without a vote, and count for the majority
   * of a configuration that has them as voters, which an observer does not
   */
  readonly invited: readonly Invited[];
  /** machines that are known to be dead, by the cloud's word or the leader's patience; silence alone is not death */
  readonly gone: ReadonlySet<string>;
  /** machines that have asked to leave */
  readonly leaving: ReadonlySet<string>;
  /** those among them that end within minutes, whatever waits for them */
  readonly ending?: ReadonlySet<string>;
  /** members that have not come into sync in the time that was set: nobody waits for them */
  readonly late: ReadonlySet<number>;
  /** server ids that may not be given away: their last holder is out of the configuration but not known to be dead */
  readonly reserved: ReadonlySet<number>;
  /** machines that are to come, as whoever makes them has said: those that leave have successors */
  readonly expected?: number;
  readonly settings: EnsembleSettings;
}

export interface EnsembleSettings {
  /** voters at most: 1, 3, 5 or 7 */
  readonly voters: number;
  /** members at most, observers included; further machines are plain clients */
  readonly members: number;
}

export const DEFAULT_ENSEMBLE: EnsembleSettings = { voters: 5, members: 25 };
