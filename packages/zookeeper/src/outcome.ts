import { ZooKeeperError } from './errors.ts';
import type { AnyRequest } from './protocol/operation.ts';

/** The error of a request that a lost connection took along. */
export function lostError(request: AnyRequest, cause: ZooKeeperError): ZooKeeperError {
  const { name: operation, write } = request.operation;
  const { path } = request;
  const after = write ? 'it may have been applied; look before doing it again' : 'nothing was changed by it';
  const message = `${operation} ${path}: ${cause.message} while it was in flight; ${after}`;
  return new ZooKeeperError('CONNECTION_LOSS', message, { operation, path, ambiguous: write, cause });
}

/** The error of a request that was not sent before the session ended, with `error` or by `close`. */
export function unsentError(request: AnyRequest, error: ZooKeeperError | undefined): ZooKeeperError {
  const { name: operation } = request.operation;
  const { path } = request;
  if (error === undefined) {
    return new ZooKeeperError('CLOSED', `${operation} ${path}: the client was closed; connect again`, {
      operation,
      path,
    });
  }
  return new ZooKeeperError(error.code, `${operation} ${path}: ${error.message}`, { operation, path, cause: error });
}
