import { abortedError } from './errors.ts';
import { type AnyRequest, type Operation, Request } from './protocol/operation.ts';
import type { Session } from './session.ts';

export interface AskOptions {
  /** Rejects with ABORTED when it fires. What was sent already may still be applied: `ambiguous` tells. */
  readonly signal?: AbortSignal | undefined;
}

/** What `Request` says of them. */
export interface AskHooks<Arguments, Result> {
  onSent?: () => void;
  onReply?: (error: number) => void;
  onLost?: (request: Request<Arguments, Result>) => void;
}

/**
 * Sends a request and promises its result. `build` makes the arguments; what it throws rejects the promise. Requests
 * are sent in the order of the calls.
 */
export function ask<Arguments, Result>(
  session: Session,
  operation: Operation<Arguments, Result>,
  path: string,
  build: () => Arguments,
  options?: AskOptions,
  hooks?: AskHooks<Arguments, Result>,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const request = new Request(operation, path, build(), resolve, reject);
    if (hooks !== undefined) {
      request.onSent = hooks.onSent;
      request.onReply = hooks.onReply;
      request.onLost = hooks.onLost;
    }
    const any = request as unknown as AnyRequest;
    if (options?.signal !== undefined && !listen(session, any, options.signal)) return;
    session.submit(any);
  });
}

/** Answers false when the signal has fired already. */
function listen(session: Session, request: AnyRequest, signal: AbortSignal): boolean {
  const { name, write } = request.operation;
  if (signal.aborted) {
    request.fail(abortedError(signal, name, request.path, false));
    return false;
  }
  const abort = () => {
    // The number is given when the request is sent.
    const sent = request.xid > 0;
    request.fail(abortedError(signal, name, request.path, sent && write));
    if (!sent) session.abandoned();
  };
  signal.addEventListener('abort', abort, { once: true });
  request.release = () => signal.removeEventListener('abort', abort);
  return true;
}
