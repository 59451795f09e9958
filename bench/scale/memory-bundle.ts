import type { AgentDisk, PlacedBundle } from '@quorate/agent';
import type { BlobRef, Manifest, Release } from '@quorate/model';

/** A disk that takes no time: agents on it do all that they do with a store, and hold what they have fetched by its names alone. */
export function memoryDisk(applied: (release: Release) => void): AgentDisk {
  return {
    lock: async () => ({ [Symbol.asyncDispose]: async () => undefined }),
    bundles: async () => [],
    place: () => new MemoryBundle(applied),
    tell: async () => undefined,
  };
}

class MemoryBundle implements PlacedBundle {
  readonly #told: (release: Release) => void;
  #applied: PlacedBundle['applied'];
  #held = new Set<string>();

  constructor(told: (release: Release) => void) {
    this.#told = told;
  }

  get applied(): PlacedBundle['applied'] {
    return this.#applied;
  }

  has({ sha256 }: BlobRef): boolean {
    return this.#held.has(sha256);
  }

  async offer(release: Release, fetch: Parameters<PlacedBundle['offer']>[1]): ReturnType<PlacedBundle['offer']> {
    if (this.#applied?.release.id !== release.id) await this.#stage(await fetch.manifest(), fetch);
    return { ok: true };
  }

  async apply(release: Release, fetch: Parameters<PlacedBundle['apply']>[1]): ReturnType<PlacedBundle['apply']> {
    if (this.#applied?.release.id !== release.id) {
      const manifest = await fetch.manifest();
      await this.#stage(manifest, fetch);
      this.#held = new Set(contentsOf(manifest).map(({ sha256 }) => sha256));
      this.#applied = { release, manifest };
      this.#told(release);
    }
    return { state: 'applied' };
  }

  async #stage(manifest: Manifest, fetch: Parameters<PlacedBundle['offer']>[1]): Promise<void> {
    const wanted = contentsOf(manifest).filter((ref) => !this.has(ref));
    await Promise.all(wanted.map((ref) => fetch.blob(ref)));
    for (const { sha256 } of wanted) this.#held.add(sha256);
  }

  async health(): Promise<undefined> {}
  async recover(): Promise<void> {}
  async prepare(): Promise<void> {}
  checkNative(): void {}
  close(): void {}
}

function contentsOf(manifest: Manifest): BlobRef[] {
  return manifest.flatMap((entry) => (entry.kind === 'file' ? [{ sha256: entry.sha256, size: entry.size }] : []));
}
