import type { OpResult } from './multi.ts';

/** A stable word for what went wrong. The words of the protocol are those of ZooKeeper's `KeeperException.Code`. */
export type ZooKeeperErrorCode = (typeof FROM_SERVER)[keyof typeof FROM_SERVER]['code'] | ClientErrorCode;

/** Codes that no server sends: they say what this client saw. */
type ClientErrorCode =
  | 'ABORTED' // the caller's AbortSignal fired; `cause` is its reason
  | 'CLOSED' // the client was closed before the operation was sent
  | 'CONNECT_TIMEOUT' // no server granted a session in time; `cause` is the last failure
  | 'PROTOCOL' // a server sent something that is not ZooKeeper's protocol, or more than `maxFrame`
  | 'TOO_LARGE' // a request longer than `maxRequest`, which a server would answer by cutting the connection
  | 'LOCK_LOST'; // a recipe no longer holds what it held

const FROM_SERVER = {
  [-1]: { code: 'SYSTEM_ERROR', says: 'the server failed' },
  [-2]: { code: 'RUNTIME_INCONSISTENCY', says: 'another operation of the same transaction failed' },
  [-3]: { code: 'DATA_INCONSISTENCY', says: 'the server found its data inconsistent' },
  [-4]: { code: 'CONNECTION_LOSS', says: 'the connection was lost' },
  [-5]: { code: 'MARSHALLING_ERROR', says: 'the server could not read the request' },
  [-6]: {
    code: 'UNIMPLEMENTED',
    says: 'the server does not know this operation; it may be too old or have it switched off',
  },
  [-7]: { code: 'OPERATION_TIMEOUT', says: 'the server ran out of time' },
  [-8]: { code: 'BAD_ARGUMENTS', says: 'the server refused the arguments' },
  [-12]: { code: 'UNKNOWN_SESSION', says: 'the server does not know this session' },
  [-13]: {
    code: 'NEW_CONFIG_NO_QUORUM',
    says: 'no quorum of the new configuration is connected and in sync; try again when the joiner is',
  },
  [-14]: { code: 'RECONFIG_IN_PROGRESS', says: 'another reconfiguration is in progress; try again after it' },
  [-100]: { code: 'API_ERROR', says: 'the server reported an API error' },
  [-101]: { code: 'NO_NODE', says: 'the node does not exist' },
  [-102]: { code: 'NO_AUTH', says: 'this session is not authorised for it; check the ACL and the auth of the client' },
  [-103]: { code: 'BAD_VERSION', says: 'the version is not the expected one; read again and decide again' },
  [-108]: { code: 'NO_CHILDREN_FOR_EPHEMERALS', says: 'an ephemeral node cannot have children' },
  [-110]: { code: 'NODE_EXISTS', says: 'the node exists already' },
  [-111]: { code: 'NOT_EMPTY', says: 'the node has children; delete them first' },
  [-112]: { code: 'SESSION_EXPIRED', says: 'the session has expired; connect again' },
  [-113]: { code: 'INVALID_CALLBACK', says: 'the server reported an invalid callback' },
  [-114]: { code: 'INVALID_ACL', says: 'the ACL is not valid' },
  [-115]: { code: 'AUTH_FAILED', says: 'the server refused the authentication' },
  [-116]: { code: 'CLOSING', says: 'the session is closing' },
  [-118]: {
    code: 'SESSION_MOVED',
    says: 'the session has moved to another server, and the operation was not applied; try again',
  },
  [-119]: { code: 'NOT_READ_ONLY', says: 'the server is read-only, as it has no quorum' },
  [-120]: { code: 'EPHEMERAL_ON_LOCAL_SESSION', says: 'a local session cannot create ephemeral nodes' },
  [-121]: { code: 'NO_WATCHER', says: 'there is no such watch' },
  [-122]: { code: 'REQUEST_TIMEOUT', says: 'the server ran out of time' },
  [-123]: {
    code: 'RECONFIG_DISABLED',
    says: 'reconfiguration is switched off; set reconfigEnabled=true on the servers',
  },
  [-124]: {
    code: 'SESSION_CLOSED_REQUIRE_SASL_AUTH',
    says: 'the server takes requests only with authentication, by SASL or by another way that it asks for',
  },
  [-125]: { code: 'QUOTA_EXCEEDED', says: 'the quota is exceeded' },
  [-127]: { code: 'THROTTLED', says: 'the server is overloaded and did not process the operation; try again later' },
  [-999]: { code: 'UNKNOWN', says: 'the server answered with an unknown error' },
} as const;

export interface ZooKeeperErrorDetails extends ErrorOptions {
  path?: string;
  operation?: string;
  ambiguous?: boolean;
  results?: readonly OpResult[];
  index?: number;
}

/** The one error class of this package. Tell errors apart by `code`. */
export class ZooKeeperError extends Error {
  readonly code: ZooKeeperErrorCode;
  /** The node that the operation was about, as the caller named it. */
  readonly path: string | undefined;
  /** The method that failed: `get`, `create`, `multi` … */
  readonly operation: string | undefined;
  /** True when a write may have been applied although it failed: look before doing it again. */
  readonly ambiguous: boolean;
  /** Of a failed `multi`: what happened to each operation. */
  readonly results: readonly OpResult[] | undefined;
  /** Of a failed `multi`: the operation that made it fail. */
  readonly index: number | undefined;

  constructor(code: ZooKeeperErrorCode, message: string, details: ZooKeeperErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.name = 'ZooKeeperError';
    this.code = code;
    this.path = details.path;
    this.operation = details.operation;
    this.ambiguous = details.ambiguous ?? false;
    this.results = details.results;
    this.index = details.index;
  }
}

/** The numbers that the client itself decides by. */
export const UNIMPLEMENTED = -6;
export const NO_NODE = -101;
export const AUTH_FAILED = -115;

function known(number: number): { code: ZooKeeperErrorCode; says: string } {
  return (FROM_SERVER as Record<number, { code: ZooKeeperErrorCode; says: string }>)[number] ?? FROM_SERVER[-999];
}

/** The stable word for an error number of the protocol. */
export function codeOf(number: number): ZooKeeperErrorCode {
  return known(number).code;
}

/** The error for a reply whose header holds `number`. */
export function serverError(number: number, operation: string, path: string): ZooKeeperError {
  const { code, says } = known(number);
  const shown = code === 'UNKNOWN' ? `${says} ${number}` : says;
  return new ZooKeeperError(code, `${operation} ${path}: ${shown} (${code})`, { operation, path });
}

/** The error for a server that does not speak the protocol. */
export function protocolError(what: string): ZooKeeperError {
  return new ZooKeeperError(
    'PROTOCOL',
    `${what}; the connection was ended. Check that the address is a ZooKeeper server`,
  );
}

/** The error for an operation that the caller gave up. */
export function abortedError(signal: AbortSignal, operation: string, path: string, ambiguous: boolean): ZooKeeperError {
  const applied = ambiguous ? ', and may have been applied' : '';
  return new ZooKeeperError('ABORTED', `${operation} ${path}: aborted by the caller${applied}`, {
    operation,
    path,
    ambiguous,
    cause: signal.reason,
  });
}
