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
      `no ZooKeeper server of ${url} serves now (${cause.message}): is a majority of the ensemble up?`,
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

export const isCode = (error: unknown, ...codes: ZooKeeperError['code'][]): error is ZooKeeperError =>
  error instanceof ZooKeeperError && codes.includes(error.code);
