import { type FSWatcher, watch } from 'node:fs';
import { lstatOf } from '../disk/tree.ts';

/** Folders of one bundle that are watched; a larger one is looked at from time to time. inotify counts in thousands for a whole machine. */
const WATCHES_MOST = 2048;

/** Folders that tell of changes: one inotify watch each, however many files they hold. */
export class FolderWatch {
  readonly #most: number;
  readonly #told: (folder: string, name: string) => void;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #names = new Map<string, ReadonlySet<string> | 'all'>();
  #trouble: string | undefined;

  constructor(told: (folder: string, name: string) => void, most = WATCHES_MOST) {
    this.#told = told;
    this.#most = most;
  }

  /** Why nothing is watched, in words; undefined where all is. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /**
   * Watches these folders and no others.
   * @returns whether some of them are new: what happened there before is not told
   */
  set(folders: ReadonlyMap<string, ReadonlySet<string> | 'all'>): boolean {
    const wanted = new Map<string, string>();
    for (const folder of folders.keys()) {
      const stats = lstatOf(folder);
      if (stats?.isDirectory()) wanted.set(`${stats.dev}:${stats.ino}:${folder}`, folder);
    }
    for (const [key, watcher] of this.#watchers) if (!wanted.has(key)) this.#end(key, watcher);
    this.#names.clear();
    for (const [folder, names] of folders) this.#names.set(folder, names);
    if (wanted.size > this.#most) {
      this.#give(`${wanted.size} folders are more than the ${this.#most} that are watched`);
      return false;
    }
    const fresh = [...wanted].filter(([key]) => !this.#watchers.has(key));
    try {
      for (const [key, folder] of fresh) this.#watchers.set(key, this.#watch(key, folder));
      this.#trouble = undefined;
    } catch (error) {
      this.#give(inWords(error as NodeJS.ErrnoException));
      return false;
    }
    return fresh.length > 0;
  }

  close(): void {
    for (const [key, watcher] of this.#watchers) this.#end(key, watcher);
  }

  #watch(key: string, folder: string): FSWatcher {
    const watcher = watch(folder, { persistent: false }, (_, name) => {
      const names = this.#names.get(folder);
      if (name === null || names === 'all' || names?.has(name)) this.#told(folder, name ?? '');
    });
    watcher.on('error', (error: NodeJS.ErrnoException) => {
      this.#end(key, watcher);
      this.#trouble = inWords(error);
    });
    return watcher;
  }

  #end(key: string, watcher: FSWatcher): void {
    watcher.close();
    this.#watchers.delete(key);
  }

  /** Some folders watched and others not would look as if all were. */
  #give(trouble: string): void {
    this.close();
    this.#trouble = trouble;
  }
}

function inWords(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOSPC') return 'this machine has no inotify watches left (fs.inotify.max_user_watches)';
  if (error.code === 'EMFILE') return 'this machine has no inotify instances left (fs.inotify.max_user_instances)';
  return error.message;
}
