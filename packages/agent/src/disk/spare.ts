import { mkdirSync, renameSync, rmdirSync, rmSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type Entry, type Manifest, sameEntry } from '@quorate/model';
import type { Owners } from './owners.ts';
import { type Content, compareTree, type TreeWriter } from './tree.ts';

/**
 * The next release's tree in advance: made like the live one while nothing else is to be done, under a name that no path leads to, so that
 * staging a release costs what differs and not what the set holds. Only the agent that made it uses it.
 */
export class Spare {
  readonly #folder: string;
  readonly #writer: TreeWriter;
  readonly #owners: Owners;
  #holds: Manifest | undefined;

  constructor(folder: string, writer: TreeWriter, owners: Owners) {
    this.#folder = folder;
    this.#writer = writer;
    this.#owners = owners;
  }

  holds(manifest: Manifest): boolean {
    return this.#holds === manifest;
  }

  /** Takes it away, also one that an agent before this one left. */
  discard(): void {
    this.#holds = undefined;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /**
   * Makes it, out of a tree that is not needed any more as far as that one has the same files: moving them is cheaper than writing. The
   * folders are new: who still reads in the old tree by an open folder finds files missing, never those of another release.
   */
  async make(manifest: Manifest, content: Content, old?: { folder: string; manifest: Manifest }): Promise<void> {
    this.discard();
    mkdirSync(this.#folder, { mode: 0o755 });
    const reused = old ? this.#reusable(manifest, old) : new Set<string>();
    const fresh = manifest.filter(({ path }) => !reused.has(path));
    await this.#writer.add(this.#folder, fresh, content);
    for (const path of reused) renameSync(join(old!.folder, path), join(this.#folder, path));
    this.#writer.finish(this.#folder, manifest);
    this.#holds = manifest;
  }

  /** Files and links that both have, as they really are on the disk. */
  #reusable(manifest: Manifest, old: { folder: string; manifest: Manifest }): Set<string> {
    const had = byPath(old.manifest);
    const same = manifest.filter((entry) => entry.kind !== 'directory' && sameEntry(had.get(entry.path), entry));
    const drifted = new Set(compareTree(old.folder, same, this.#owners, 'full').map(({ path }) => path));
    return new Set(same.map(({ path }) => path).filter((path) => !drifted.has(path)));
  }

  /**
   * Turns it into the tree of another manifest and gives it its name.
   * @returns false when there is none, or it cannot be turned: the tree is then to be written from nothing
   */
  async become(folder: string, manifest: Manifest, content: Content): Promise<boolean> {
    const before = this.#holds;
    if (!before) return false;
    this.#holds = undefined;
    try {
      await this.#change(before, manifest, content);
      rmSync(folder, { recursive: true, force: true });
      renameSync(this.#folder, folder);
      return true;
    } catch {
      // a folder that may not be written to, a full disk: writing the tree whole succeeds, or tells why not
      this.discard();
      return false;
    }
  }

  async #change(before: Manifest, after: Manifest, content: Content): Promise<void> {
    const wanted = byPath(after);
    const stays = new Set<string>();
    // what a folder holds goes before the folder
    for (const entry of before.toReversed()) {
      const next = wanted.get(entry.path);
      const same = entry.kind === 'directory' ? next?.kind === 'directory' : sameEntry(entry, next);
      if (same) stays.add(entry.path);
      else if (entry.kind === 'directory') rmdirSync(join(this.#folder, entry.path));
      else unlinkSync(join(this.#folder, entry.path));
    }
    const fresh = after.filter(({ path }) => !stays.has(path));
    await this.#writer.add(this.#folder, fresh, content);
    const had = byPath(before);
    this.#writer.finish(
      this.#folder,
      after.filter((entry) => !sameEntry(had.get(entry.path), entry)),
    );
  }
}

function byPath(manifest: Manifest): Map<string, Entry> {
  return new Map(manifest.map((entry) => [entry.path, entry]));
}
