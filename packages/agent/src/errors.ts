/** What went wrong, as a stable word that programs can rely on. */
export type AgentErrorCode =
  | 'BAD_SETTINGS'
  | 'OUTSIDE_ROOTS' // the bundle's root is not below an allowed folder
  | 'REFUSED' // manifest or definition not acceptable here
  | 'NOT_SIGNED' // a release that no trusted key answers for, or not in this place
  | 'DISK_FULL'
  | 'READ_ONLY'
  | 'NOT_PERMITTED'
  | 'MISSING_PARENT' // the folder that should hold the native root is not there
  | 'REPLACED' // somebody put something else where Quorate's link was
  | 'LOCKED' // another agent runs on this state folder
  | 'HOOK_FAILED'
  | 'IMPORT_REFUSED' // files that no bundle can hold
  | 'CORRUPT' // what Quorate keeps on this disk does not match its hash
  | 'NOT_TRUSTED' // certificates that are missing, broken, or of another cluster
  | 'TOKEN_REFUSED' // a join token that is unknown, used up or too old
  | 'BAD_REQUEST' // what another machine asks for is not acceptable
  | 'UNREACHABLE' // no other instance answers
  | 'NO_JAVA' // Java, or ZooKeeper's jars, missing or too old
  | 'PORT_TAKEN' // another program has a port that the ZooKeeper member needs
  | 'MEMBER_FAILED' // the ZooKeeper member does not come up
  | 'ARBITER_UNREACHABLE' // who founded cannot be told or settled now
  | 'DISCOVERY_UNKNOWN' // which machines there are cannot be told now: nobody counts as gone
  | 'DEPLOYMENT_REFUSED' // what is deployed needs a person to be brought together with what was published
  | 'NO_SECRET' // the cluster's secret cannot be had from where it is kept, now
  | 'NO_METADATA' // the instance metadata service does not tell who this machine is
  | 'FAILED';

export class AgentError extends Error {
  readonly code: AgentErrorCode;

  constructor(code: AgentErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AgentError';
    this.code = code;
  }
}
