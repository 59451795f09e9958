import { ask } from './ask.ts';
import { CONFIG_PATH, clientServers, parseConfig } from './ensemble-config.ts';
import type { SessionSettings } from './options.ts';
import { GET } from './protocol/operations.ts';
import type { Session } from './session.ts';
import { openWatch } from './watch-stream.ts';

/**
 * Keeps the list of servers to what the ensemble says of itself. An ensemble that does not say it (the node is hidden
 * by an ACL, or names no address for clients) leaves the list as it was given.
 */
export async function followConfig(session: Session, settings: SessionSettings, signal: AbortSignal): Promise<void> {
  const ports = new Set(settings.servers.map((server) => server.port));
  // The configuration names the plain ports only; with TLS the members are taken to share the port that was given.
  const port = settings.tls === undefined ? undefined : [...ports][0];
  const changes = openWatch(session, CONFIG_PATH, 'data', signal);
  try {
    for (;;) {
      const { data } = await ask(session, GET, CONFIG_PATH, () => ({ path: CONFIG_PATH, watch: false }), { signal });
      session.replaceServers(clientServers(parseConfig(data.toString()), port));
      if ((await changes.next()).done) return;
    }
  } catch {
    // No right to read it, or the session ended: the list stays. The session itself tells how it ended.
  } finally {
    await changes.return();
  }
}
