import { ZooKeeperError } from '@quorate/zookeeper';
import { StoreError, type StoreErrorCode } from '../errors.ts';
import { recordError } from '../format.ts';

const MEANING: Partial<Record<ZooKeeperError['code'], StoreErrorCode>> = {
  CONNECT_TIMEOUT: 'UNREACHABLE',
  CONNECTION_LOSS: 'UNREACHABLE',
  SESSION_EXPIRED: 'UNREACHABLE',
  OPERATION_TIMEOUT: 'UNREACHABLE',
  REQUEST_TIMEOUT: 'UNREACHABLE',
  THROTTLED: 'UNREACHABLE',
  NOT_READ_ONLY: 'UNREACHABLE',
  CLOSING: 'UNREACHABLE',
  CLOSED: 'UNREACHABLE',
  NO_AUTH: 'NOT_ALLOWED',
  AUTH_FAILED: 'NOT_ALLOWED',
  SESSION_CLOSED_REQUIRE_SASL_AUTH: 'NOT_ALLOWED',
  QUOTA_EXCEEDED: 'UNSUITABLE',
  TOO_LARGE: 'UNSUITABLE',
  NO_NODE: 'UNSUITABLE',
};

/** Errors of the client as what they mean for a store; others pass as they are. */
export function storeError(url: string, cause: unknown): unknown {
  if (!(cause instanceof ZooKeeperError)) return recordError(url, cause) ?? cause;
  const code = MEANING[cause.code];
  if (code === 'UNREACHABLE') {
    return new StoreError(
      'UNREACHABLE',
      `${certificateFault(url, cause) ?? `no ZooKeeper server of ${url} serves now (${cause.message}): is a majority of the ensemble up?`}`,
      { cause },
    );
  }
  if (cause.code === 'NO_NODE') {
    return new StoreError(
      'UNSUITABLE',
      `${url}: ${cause.path ?? 'a node'} is not there and could not be made: does the chroot exist, and may this user write there?`,
      { cause },
    );
  }
  return code ? new StoreError(code, `${url}: ${cause.message}`, { cause }) : cause;
}

/** Alerts by which a server says that it does not take our certificate (RFC 8446, 6.2): bad, unsupported, revoked, expired, unknown, unknown authority, access denied, required. */
const REFUSES_US = /SSL alert number (42|43|44|45|46|48|49|116)\b/;
/** What Node says of a certificate that we do not take. */
const REFUSED_BY_US =
  /(self-signed certificate[^;]*|unable to (?:get|verify)[^;]*|certificate (?:has expired|is not yet valid)|[^:;]*altnames[^;]*)/;

/** What the last attempt came to, where that was neither the network nor the ensemble. */
function certificateFault(url: string, { message }: ZooKeeperError): string | undefined {
  if (REFUSES_US.test(message))
    return `the ZooKeeper servers of ${url} do not take this machine's certificate: it is missing, over, not valid yet, or of another cluster; \`quorate doctor\` tells which`;
  const [, fault] = REFUSED_BY_US.exec(message) ?? [];
  return fault === undefined
    ? undefined
    : `this machine does not take the certificate of the ZooKeeper servers of ${url}: ${fault.trim()}; is it the right cluster, and is this machine's clock right?`;
}

export const isCode = (error: unknown, ...codes: ZooKeeperError['code'][]): error is ZooKeeperError =>
  error instanceof ZooKeeperError && codes.includes(error.code);
