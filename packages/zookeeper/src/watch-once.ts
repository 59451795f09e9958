import { NO_NODE } from './errors.ts';
import { withChroot, withoutChroot } from './paths.ts';
import type { Session } from './session.ts';
import type { WatchEvent, Watcher, WatchMode } from './watch-table.ts';

export type WatchListener = (event: WatchEvent) => void;

/** Registers a listener with the answer to the read that sets the watch. */
export function watchOnce(
  session: Session,
  path: string,
  listener: WatchListener,
  present: WatchMode,
  absent: WatchMode | undefined,
): { onReply: (error: number) => void } {
  const full = withChroot(session.chroot, path);
  const answered = session.watches.expect(full);
  const watcher: Watcher = {
    notify(type, at, zxid) {
      session.watches.remove(full, watcher);
      const shown = withoutChroot(session.chroot, at);
      listener(zxid === undefined ? { type, path: shown } : { type, path: shown, zxid });
    },
    end() {},
  };
  return {
    onReply(error) {
      answered();
      const mode = error === 0 ? present : error === NO_NODE ? absent : undefined;
      if (mode !== undefined) session.watches.add(mode, full, watcher);
    },
  };
}
