import { ask } from './ask.ts';
import { NO_NODE, ZooKeeperError } from './errors.ts';
import { EventQueue } from './event-queue.ts';
import { withoutChroot } from './paths.ts';
import { ADD_WATCH, CHILDREN, EXISTS, REMOVE_WATCHES } from './protocol/operations.ts';
import type { Stat } from './protocol/records.ts';
import type { Session } from './session.ts';
import type { WatchEvent, Watcher, WatchMode } from './watch-table.ts';

export type WatchKind = 'data' | 'children' | 'exists' | 'persistent' | 'persistent_recursive';

const ADD_MODE = { persistent: 0, persistent_recursive: 1 } as const;
/** `Watcher.WatcherType.Any`: the only value that every version from 3.5 on takes for every kind. */
const ANY = 3;

function eventKey(event: WatchEvent): string {
  return event.type + event.path;
}

/** What both kinds of stream share: the queue, the end, and the removal of the watch when its consumer leaves. */
abstract class WatchStream implements Watcher {
  readonly queue: EventQueue<WatchEvent>;
  protected readonly session: Session;
  protected readonly path: string;

  constructor(session: Session, path: string, signal: AbortSignal | undefined) {
    this.session = session;
    this.path = path;
    const hooks = { taken: () => this.taken(), left: () => this.leave(), key: eventKey };
    this.queue = new EventQueue<WatchEvent>(hooks, signal);
  }

  /** Sends the request that sets the watch. */
  start(): void {
    this.session.watches.opened(this.path, this);
    this.arm();
  }

  protected abstract arm(): void;
  protected abstract taken(): void;
  abstract notify(type: WatchEvent['type'], path: string, zxid: bigint | undefined): void;

  protected emit(type: WatchEvent['type'], path: string, zxid: bigint | undefined): void {
    const shown = withoutChroot(this.session.chroot, path);
    this.queue.push(zxid === undefined ? { type, path: shown } : { type, path: shown, zxid });
  }

  end(error: unknown): void {
    this.session.watches.left(this.path, this);
    this.queue.finish(error);
  }

  /** After CLOSED the stream ends as the session does: without an error. */
  protected fail(error: unknown): void {
    this.session.watches.remove(this.path, this);
    this.end(error instanceof ZooKeeperError && error.code === 'CLOSED' ? undefined : error);
  }

  /** The server has set the watch. */
  protected registered(mode: WatchMode): void {
    if (this.queue.ended) removeUnwatched(this.session, this.path);
    else this.session.watches.add(mode, this.path, this);
  }

  protected leave(): void {
    this.session.watches.left(this.path, this);
    this.session.watches.remove(this.path, this);
    removeUnwatched(this.session, this.path);
  }
}

/**
 * Tells the server when nothing here watches the path any more. Without a connection there is no watch to remove, and
 * the next one sets only those that are still wanted.
 */
export function removeUnwatched(session: Session, path: string): void {
  if (!session.sending || session.watches.watched(path)) return;
  ask(session, REMOVE_WATCHES, path, () => ({ path, kind: ANY })).catch(() => {
    // It has fired already (NO_WATCHER), or the session ended and took its watches along: it is gone either way.
  });
}

type Known = { readonly stat: Stat } | 'absent';

/**
 * A stream of a kind that fires once. It is set again when the event is handed to the consumer and before the consumer
 * runs, so whatever the consumer reads after an event is read after the watch was set: nothing is missed in between.
 */
class RearmedStream extends WatchStream {
  readonly #kind: 'data' | 'children';
  #armed = false;
  #armings = 0;
  /** What the last event said; undefined before the first answer. */
  #told: { present: boolean; zxid: bigint | undefined } | undefined;
  /** An event that is told when the watch is set again. */
  #owed: WatchEvent['type'] | undefined;

  constructor(session: Session, path: string, kind: 'data' | 'children', signal: AbortSignal | undefined) {
    super(session, path, signal);
    this.#kind = kind;
  }

  protected taken(): void {
    if (!this.#armed) this.arm();
  }

  notify(type: WatchEvent['type'], path: string, zxid: bigint | undefined): void {
    // With two modes armed (a node that came between two requests) the other one is dropped: arming sets it anew.
    this.session.watches.remove(this.path, this);
    this.#armed = false;
    this.#payOwed(undefined);
    if (zxid === undefined) {
      // After a reconnect, and from servers before 3.9: without the transaction nobody could tell whether the node
      // changed again before the next watch is set. So that is set first, and the event told with its answer.
      this.#owed = type;
      this.arm();
      return;
    }
    this.#told = { present: type !== 'deleted', zxid };
    this.emit(type, path, zxid);
  }

  /** Tells the event that was put off, with the transaction that is known by now. */
  #payOwed(known: Known | undefined): void {
    const type = this.#owed;
    if (type === undefined) return;
    this.#owed = undefined;
    const stat = known === undefined || known === 'absent' || type === 'deleted' ? undefined : known.stat;
    const zxid = this.#kind === 'data' ? stat?.mzxid : stat?.pzxid;
    this.#told = { present: type !== 'deleted', zxid };
    this.emit(type, this.path, zxid);
  }

  protected arm(): void {
    this.#armed = true;
    const arming = ++this.#armings;
    const answer = this.#kind === 'data' ? this.#armExists() : this.#armChildren();
    answer.then(
      // An event that came right behind the answer says more than the answer.
      (known) => arming === this.#armings && this.#armed && this.#compare(known),
      (error) => {
        this.#payOwed(undefined);
        this.fail(error);
      },
    );
  }

  async #armExists(): Promise<Known> {
    const stat = await this.#ask(EXISTS, (error) => (error === NO_NODE ? 'exists' : error === 0 ? 'data' : undefined));
    return stat === undefined ? 'absent' : { stat };
  }

  /** A node that is not there has no children to watch: its creation is waited for instead. */
  async #armChildren(): Promise<Known> {
    try {
      return await this.#ask(CHILDREN, (error) => (error === 0 ? 'children' : undefined));
    } catch (error) {
      if (!(error instanceof ZooKeeperError) || error.code !== 'NO_NODE') throw error;
      // Found present now, the node has come since: that is news even if nothing was told before.
      this.#told ??= { present: false, zxid: undefined };
      const known = await this.#armExists();
      return known === 'absent' ? known : this.#armChildren();
    }
  }

  #ask<R>(operation: Parameters<typeof ask<{ path: string; watch: boolean }, R>>[1], mode: ModeOf): Promise<R> {
    const { session, path } = this;
    const shown = withoutChroot(session.chroot, path);
    return ask(session, operation, shown, () => ({ path, watch: true }), undefined, {
      onSent: () => session.watches.expect(path),
      onReply: (error) => {
        session.watches.arrived(path);
        const set = mode(error);
        if (set !== undefined) this.registered(set);
      },
    });
  }

  /** Tells what happened between the last event and the setting of the watch, if the event did not say it. */
  #compare(known: Known): void {
    this.#payOwed(known);
    const told = this.#told;
    if (told === undefined) this.#told = { present: known !== 'absent', zxid: undefined };
    else if (known === 'absent') {
      if (told.present) this.#tell('deleted', undefined);
    } else if (!told.present) this.#tell('created', known.stat.czxid);
    else if (told.zxid !== undefined) {
      const latest = this.#kind === 'data' ? known.stat.mzxid : known.stat.pzxid;
      if (latest > told.zxid) this.#tell(this.#kind === 'data' ? 'changed' : 'children', latest);
    }
  }

  #tell(type: WatchEvent['type'], zxid: bigint | undefined): void {
    this.#told = { present: type !== 'deleted', zxid };
    this.emit(type, this.path, zxid);
  }
}

type ModeOf = (error: number) => WatchMode | undefined;

/** A stream of a kind that the server keeps armed (3.6 and later). */
class PersistentStream extends WatchStream {
  readonly #mode: 'persistent' | 'persistent_recursive';
  /** Whether the node was there when last heard of; undefined until it is known. */
  #present: boolean | undefined;

  constructor(
    session: Session,
    path: string,
    mode: 'persistent' | 'persistent_recursive',
    signal: AbortSignal | undefined,
  ) {
    super(session, path, signal);
    this.#mode = mode;
  }

  protected arm(): void {
    const { session, path } = this;
    const shown = withoutChroot(session.chroot, path);
    const added = ask(session, ADD_WATCH, shown, () => ({ path, mode: ADD_MODE[this.#mode] }), undefined, {
      onSent: () => session.watches.expect(path),
      onReply: (error) => {
        session.watches.arrived(path);
        if (error === 0) this.registered(this.#mode);
      },
    });
    const looked = ask(session, EXISTS, shown, () => ({ path, watch: false }), undefined, {
      onReply: (error) => {
        this.#present = error === 0;
      },
    });
    Promise.all([added, looked]).catch((error) => this.fail(error));
  }

  protected taken(): void {}

  notify(type: WatchEvent['type'], path: string, zxid: bigint | undefined): void {
    if (path === this.path) {
      // A search after a reconnect finds the node absent: no news when it was absent before.
      if (type === 'deleted' && this.#present === false && zxid === undefined) return;
      this.#present = type !== 'deleted';
    }
    this.emit(type, path, zxid);
  }
}

/** Opens a stream; the watch is on its way when this returns. `path` is the server's. */
export function openWatch(
  session: Session,
  path: string,
  kind: WatchKind,
  signal: AbortSignal | undefined,
): EventQueue<WatchEvent> {
  const persistent = kind === 'persistent' || kind === 'persistent_recursive';
  const stream = persistent
    ? new PersistentStream(session, path, kind, signal)
    : new RearmedStream(session, path, kind === 'children' ? 'children' : 'data', signal);
  if (!stream.queue.ended) stream.start();
  return stream.queue;
}
