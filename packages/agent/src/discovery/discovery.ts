/** A machine of the fleet, as far as the discovery knows it. */
export interface Peer {
  /** IP address or host name */
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
   * Looks anew each time. That a machine is not listed says nothing about it.
   * @throws AgentError DISCOVERY_UNKNOWN: nothing can be told now
   */
  peers(signal?: AbortSignal): Promise<readonly Peer[]>;
}
