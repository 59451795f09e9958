import { type FSWatcher, watch } from 'node:fs';

/** Sees links named `current` being flipped in many folders, by the kernel's own events: nothing is polled. */
export class Flips implements Disposable {
  readonly #watchers: FSWatcher[];
  readonly #flipped = new Map<string, number>();
  readonly #folders: readonly string[];
  #arrived: () => void = () => undefined;

  constructor(folders: readonly string[]) {
    this.#folders = folders;
    this.#watchers = folders.map((folder) =>
      watch(folder, (_, name) => {
        if (name !== 'current') return;
        this.#flipped.set(folder, performance.now());
        this.#arrived();
      }),
    );
  }

  /**
   * Runs a publish and waits until every folder's link was flipped.
   * @returns ms from the start of the publish until the last flip
   */
  async after(publish: () => Promise<unknown>, withinMs = 30_000): Promise<number> {
    this.#flipped.clear();
    const from = performance.now();
    const all = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        const late = this.#folders.filter((folder) => !this.#flipped.has(folder));
        reject(
          new Error(
            `${late.length} of ${this.#folders.length} did not flip within ${withinMs} ms: ${late.slice(0, 3).join(', ')}`,
          ),
        );
      }, withinMs);
      this.#arrived = () => {
        if (this.#flipped.size < this.#folders.length) return;
        clearTimeout(timer);
        resolve();
      };
    });
    await Promise.all([publish(), all]);
    return Math.max(...this.#flipped.values()) - from;
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers) watcher.close();
  }
}
