import { abortedError, ZooKeeperError } from './errors.ts';
import { serverName } from './servers.ts';
import type { Session } from './session.ts';

/** Starts the session and waits until it is granted; otherwise nothing of it is left. */
export async function awaitConnected(
  session: Session,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (signal?.aborted) {
    await session.close();
    throw abortedError(signal, 'connect', serversOf(session), false);
  }
  const leave = new AbortController();
  const timer = setTimeout(() => leave.abort(), timeout);
  const abort = () => leave.abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const states = session.states(leave.signal);
    session.start();
    const first = await states.next();
    await states.return();
    if (first.value === 'connected' || first.value === 'read-only') {
      await session.authenticated;
      return;
    }
    const { lastError } = session;
    const ended = session.ended ? await session.closed : undefined;
    await session.close();
    if (signal?.aborted) throw abortedError(signal, 'connect', serversOf(session), false);
    throw ended ?? timeoutError(session, timeout, lastError);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

function serversOf(session: Session): string {
  return session.servers.map(serverName).join(',');
}

function timeoutError(session: Session, timeout: number, cause: ZooKeeperError | undefined): ZooKeeperError {
  const why = cause === undefined ? '' : `; the last attempt failed: ${cause.message}`;
  const message = `no server of ${serversOf(session)} granted a session within ${timeout} ms${why}`;
  return new ZooKeeperError('CONNECT_TIMEOUT', message, { operation: 'connect', cause });
}
