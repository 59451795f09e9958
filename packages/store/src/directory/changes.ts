import { existsSync, type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import { changesByLooking, type Seen } from '../looking.ts';
import type { StoreChange } from '../store.ts';

export interface ChangeSource {
  readonly folder: string;
  look(): Promise<Seen>;
}

/** How often a folder is looked at where no event tells: network mounts have none. ms, ± a quarter so that a fleet spreads out. */
export const POLL_MS = 1000;

/** Reasons to look again: from the kernel's events where they come, and by looking now and then everywhere. */
export async function* directoryChanges(
  source: ChangeSource,
  pollMs: number,
  signal: AbortSignal,
): AsyncGenerator<StoreChange> {
  using bell = new Bell(source.folder, signal);
  const look = async (): Promise<Seen> => {
    const seen = await source.look();
    bell.watch(seen.keys());
    return seen;
  };
  const rest = (seen: Seen | undefined): Promise<void> => bell.rings(pollMs * (seen ? 0.75 + Math.random() / 2 : 1));
  yield* changesByLooking({ look, rest }, signal);
}

/** Rings when the kernel reports a change below the watched folders; one owner of all its watches. */
class Bell implements Disposable {
  readonly #folder: string;
  readonly #signal: AbortSignal;
  readonly #watchers = new Map<string, FSWatcher>();
  #rung = false;
  #wake: () => void = () => undefined;

  constructor(folder: string, signal: AbortSignal) {
    this.#folder = folder;
    this.#signal = signal;
    this.watch([]);
  }

  watch(bundles: Iterable<string>): void {
    const bundleFolder = join(this.#folder, 'bundles');
    for (const path of [
      this.#folder,
      bundleFolder,
      ...[...bundles].map((bundle) => join(bundleFolder, bundle, 'heads')),
    ]) {
      if (this.#watchers.has(path) || !existsSync(path)) continue;
      try {
        const watcher = watch(path, () => this.#ring());
        watcher.on('error', () => this.#drop(path)); // the folder went away: polling sees to the rest
        this.#watchers.set(path, watcher);
      } catch {
        // no events to be had here (too many watches, or a mount without them): polling sees every change
        return;
      }
    }
  }

  #drop(path: string): void {
    this.#watchers.get(path)?.close();
    this.#watchers.delete(path);
  }

  #ring(): void {
    this.#rung = true;
    this.#wake();
  }

  /** Until it rings, the signal ends, or `ms` are over. */
  rings(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(), ms);
      const done = (): void => {
        clearTimeout(timer);
        this.#signal.removeEventListener('abort', done);
        this.#rung = false;
        this.#wake = () => undefined; // a ring from now on is kept for the next wait
        resolve();
      };
      this.#wake = done;
      this.#signal.addEventListener('abort', done, { once: true });
      if (this.#rung || this.#signal.aborted) done();
    });
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }
}
