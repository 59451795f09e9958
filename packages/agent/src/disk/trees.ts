import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type BlobRef, blobsOf, type Entry, type Manifest, manifestFromPages, type Release } from '@quorate/model';
import { AgentError } from '../errors.ts';
import { liveTree, snapshot } from './flip.ts';
import type { StagedTree } from './linking.ts';
import type { Owners } from './owners.ts';
import type { Packs } from './packs.ts';
import type { BundlePaths, TreeName } from './paths.ts';
import { besides, compareTree, type Drift, lstatOf, type TreeWriter } from './tree.ts';

export interface Applied {
  readonly release: Release;
  readonly manifest: Manifest;
}

/** Trees that stay besides the live one and the original: the way back is short. */
const KEPT = 2;

/** The staged trees of a bundle: each can be made anew from the packs at any time. */
export class Trees {
  readonly #paths: BundlePaths;
  readonly #packs: Packs;
  readonly #writer: TreeWriter;
  readonly #owners: Owners;
  readonly #known = new Map<string, Applied>();

  constructor(paths: BundlePaths, packs: Packs, writer: TreeWriter, owners: Owners) {
    this.#paths = paths;
    this.#packs = packs;
    this.#writer = writer;
    this.#owners = owners;
  }

  /** What a release's tree holds. @throws AgentError CORRUPT when no pack has it */
  release(number: number): Applied {
    const release = this.#packs.release(number);
    if (!release)
      throw new AgentError('CORRUPT', `release ${number} is needed here, but ${this.#paths.packs} does not hold it`);
    let known = this.#known.get(release.id);
    if (!known) {
      known = { release, manifest: manifestFromPages(release.pages.map((page) => this.#packs.read(page))) };
      this.#known.clear(); // one is enough: the live one is asked for again and again
      this.#known.set(release.id, known);
    }
    return known;
  }

  /** @param like the release whose paths tell what of the original counts */
  staged(name: TreeName, like: number | undefined): StagedTree | undefined {
    const number = name === 'original' ? like : name;
    if (number === undefined) return undefined;
    const { release, manifest } = this.release(number);
    return { name, manifest, definition: release.definition };
  }

  /** Content first into a pack, synced; then the tree. */
  async stage(
    release: Release,
    manifest: Manifest,
    fetch: (ref: BlobRef) => Promise<Buffer>,
    live: Applied | undefined,
  ): Promise<void> {
    const wanted = [...release.pages, ...blobsOf(manifest)].filter((ref) => !this.#packs.has(ref));
    const blobs = new Map(await Promise.all(wanted.map(async (ref) => [ref.sha256, await fetch(ref)] as const)));
    if (blobs.size > 0 || this.#packs.release(release.number)?.id !== release.id) {
      const kept = live && live.release.number !== release.number ? [live] : [];
      this.#packs.add(release, blobs, [...kept, { release, manifest }].map(needs));
    }
    await this.write(release.number, manifest, blobs);
  }

  async write(number: number, manifest: Manifest, fresh: ReadonlyMap<string, Buffer> = new Map()): Promise<void> {
    const folder = this.#paths.tree(number);
    try {
      await this.#writer.write(folder, manifest, (entry) => fresh.get(entry.sha256) ?? this.#packs.read(entry));
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Makes sure that a tree which a crash may have cut off is whole: the live one in place, another anew. */
  async complete(number: number, manifest: Manifest): Promise<void> {
    const drift = compareTree(this.#paths.tree(number), manifest, this.#owners, 'quick');
    if (drift.length === 0) return;
    if (liveTree(this.#paths) === number) this.mend(number, manifest, drift);
    else await this.write(number, manifest);
  }

  /** Puts entries of the live tree right, one by one; what was there instead is kept aside. */
  mend(number: number, manifest: Manifest, drift: readonly Drift[]): void {
    const wrong = new Set(drift.map(({ path }) => path));
    for (const entry of manifest) if (wrong.has(entry.path)) this.#mendOne(this.#paths.tree(number), entry);
  }

  #mendOne(tree: string, entry: Entry): void {
    const path = join(tree, entry.path);
    const there = lstatOf(path);
    if (there && entry.path !== '.') this.#setAside(path, entry);
    if (entry.kind === 'directory') {
      if (there && !there.isDirectory()) rmSync(path);
      if (there?.isDirectory()) this.#writer.directoryAttributes(path, entry);
      else this.#writer.directory(path, entry);
      return;
    }
    if (there?.isDirectory()) rmSync(path, { recursive: true });
    const fresh = besides(path);
    rmSync(fresh, { force: true });
    if (entry.kind === 'symlink') this.#writer.symlink(fresh, entry);
    else this.#writer.file(fresh, entry, this.#packs.read(entry));
    renameSync(fresh, path);
  }

  #setAside(path: string, entry: Entry): void {
    if (entry.kind === 'directory' && lstatOf(path)?.isDirectory()) return;
    const aside = join(this.#paths.aside, entry.path);
    mkdirSync(dirname(aside), { recursive: true, mode: 0o700 });
    snapshot(path, aside);
  }

  /** Numbers of the trees here that packs can vouch for, ascending. */
  numbers(): number[] {
    const numbers = readdirSync(this.#paths.releases).map(Number);
    return numbers.filter((number) => number > 0 && this.#packs.release(number)).sort((a, b) => a - b);
  }

  prune(): void {
    const live = liveTree(this.#paths);
    const others = this.numbers().filter((number) => number !== live);
    const keep = new Set([live, 'original', ...others.slice(-KEPT)].map(String));
    for (const name of readdirSync(this.#paths.releases)) {
      if (!keep.has(name)) rmSync(join(this.#paths.releases, name), { recursive: true, force: true });
    }
  }
}

function needs({ release, manifest }: Applied): { release: Release; refs: BlobRef[] } {
  return { release, refs: [...release.pages, ...blobsOf(manifest)] };
}
