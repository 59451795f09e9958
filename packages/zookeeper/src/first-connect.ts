import { abortedError, ZooKeeperError } from './errors.ts';
import { serverName } from './servers.ts';
import type { Session } from './session.ts';

/** Starts the session and waits until it is granted and authenticated; otherwise the session is ended. */
export async function awaitConnected(
  session: Session,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { promise: gaveUp, resolve: giveUp } = Promise.withResolvers<'gave up'>();
  const abort = () => giveUp('gave up');
  const timer = timeout === Number.POSITIVE_INFINITY ? undefined : setTimeout(abort, timeout);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const outcome = signal?.aborted ? 'gave up' : await Promise.race([granted(session), gaveUp]);
    if (outcome === 'granted') return;
    const { lastError } = session;
    // The last word to a server is not waited for: whoever gave up has waited enough.
    void session.close();
    if (signal?.aborted) throw abortedError(signal, 'connect', serversOf(session), false);
    throw timeoutError(session, timeout, lastError);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/** Throws what ended the session. */
async function granted(session: Session): Promise<'granted' | 'gave up'> {
  const states = session.states();
  session.start();
  const first = await states.next();
  await states.return();
  if (first.value === 'connected' || first.value === 'read-only') {
    await session.authenticated;
    return 'granted';
  }
  const ended = await session.closed;
  // Closed without an error: whoever waited has given up.
  if (ended === undefined) return 'gave up';
  throw ended;
}

function serversOf(session: Session): string {
  return session.servers.map(serverName).join(',');
}

function timeoutError(session: Session, timeout: number, cause: ZooKeeperError | undefined): ZooKeeperError {
  const why = cause === undefined ? '' : `; the last attempt failed: ${cause.message}`;
  const message = `no server of ${serversOf(session)} granted a session within ${timeout} ms${why}`;
  return new ZooKeeperError('CONNECT_TIMEOUT', message, { operation: 'connect', cause });
}
