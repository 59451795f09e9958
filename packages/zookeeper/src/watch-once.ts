import { NO_NODE } from './errors.ts';
import { withoutChroot } from './paths.ts';
import type { Session } from './session.ts';
import type { WatchEvent, Watcher, WatchMode } from './watch-table.ts';

export type WatchListener = (event: WatchEvent) => void;

/** Registers a listener with the answer to the read that sets the watch. `path` is the server's. */
export function watchOnce(
  session: Session,
  path: string,
  listener: WatchListener,
  present: WatchMode,
  absent?: WatchMode,
): { onSent: () => void; onReply: (error: number) => void } {
  const { watches } = session;
  return {
    onSent: () => watches.expect(path),
    onReply(error) {
      watches.arrived(path);
      const mode = error === 0 ? present : error === NO_NODE ? absent : undefined;
      if (mode === undefined) return;
      watches.add(
        mode,
        path,
        watches.watcherOf(listener, () => watcherFor(session, listener)),
      );
    },
  };
}

/** Its calls take their place among the answers, and what it throws is its own affair, not the connection's. */
function watcherFor(session: Session, listener: WatchListener): Watcher {
  return {
    notify(type, at, zxid) {
      const path = withoutChroot(session.chroot, at);
      queueMicrotask(() => listener(zxid === undefined ? { type, path } : { type, path, zxid }));
    },
    end() {},
  };
}
