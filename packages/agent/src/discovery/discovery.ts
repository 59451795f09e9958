import type { FleetSight } from '@quorate/model';

/** A machine of the fleet, as far as the discovery knows it. */
export interface Peer {
  /** IP address or host name; empty for one that is terminated and had none that is known */
  readonly address: string;
  /** its instance id; needed where `state` is to count */
  readonly instance?: string;
  readonly zone?: string;
  /** `terminated`: it is gone and never comes back. Absent, like a machine that is not listed: nobody knows */
  readonly state?: 'live' | 'terminated';
}

/** Where the machines of the fleet are, by something other than the ensemble. */
export interface Discovery {
  /** what it is called in messages */
  readonly place: string;
  /**
   * What is so now, or was a moment ago where asking costs. That a machine is not listed says nothing about it.
   * @param about instances that were members once, and whose fate is asked for also where no list has them any more
   * @throws AgentError DISCOVERY_UNKNOWN: nothing can be told now
   */
  peers(signal?: AbortSignal, about?: readonly string[]): Promise<readonly Peer[]>;
  /** Whether whoever makes the machines says when one is no more: then silence is never death, however long. */
  readonly knowsDeath?: boolean;
  /** There where asking costs: the leader asks, and shares it by the ensemble. */
  readonly shared?: SharedSight;
}

export interface SharedSight {
  /** what was seen last, by whomever; undefined before */
  readonly last: FleetSight | undefined;
  /** what another machine saw */
  learn(sight: FleetSight): void;
}
