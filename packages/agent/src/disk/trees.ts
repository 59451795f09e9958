import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  type BlobRef,
  blobsOf,
  type Entry,
  type Manifest,
  manifestFromPages,
  type Release,
  sha256,
} from '@quorate/model';
import { AgentError } from '../errors.ts';
import { type Form, type Rendered, sameRendered } from '../templates/index.ts';
import type { Aside } from './aside.ts';
import { liveRelease, liveTree } from './flip.ts';
import type { StagedRelease } from './linking.ts';
import type { Owners } from './owners.ts';
import type { PackedRelease, Packs } from './packs.ts';
import { type BundlePaths, ORIGINAL, type TreeName } from './paths.ts';
import { Spare } from './spare.ts';
import { besides, type Content, compareTree, type Drift, lstatOf, type TreeWriter } from './tree.ts';

export interface Applied {
  readonly release: Release;
  readonly manifest: Manifest;
}

/** Trees that stay besides the live one and the original: the way back is short. */
const KEPT = 2;
/** Trees that may wait for a quiet moment to be taken away: under a stream of releases there is none. */
const WAITING_MOST = 4;

/** The staged trees of a bundle: each can be made anew from the packs at any time. */
export class Trees {
  readonly #paths: BundlePaths;
  readonly #packs: Packs;
  readonly #writer: TreeWriter;
  readonly #owners: Owners;
  readonly #aside: Aside;
  readonly #spare: Spare;
  /** manifests of the trees that are here */
  readonly #known = new Map<TreeName, Applied>();

  constructor(paths: BundlePaths, packs: Packs, writer: TreeWriter, owners: Owners, aside: Aside) {
    this.#paths = paths;
    this.#packs = packs;
    this.#writer = writer;
    this.#owners = owners;
    this.#aside = aside;
    this.#spare = new Spare(paths.spare, writer, owners);
  }

  /** The name of a release's tree: its number, unless another release has that here, or this one rendered otherwise. */
  nameFor(release: Release, rendered?: Rendered): TreeName {
    const { trees } = this.#packs;
    const own = trees.find(
      (name) => this.#packs.release(name)?.id === release.id && sameRendered(this.#packs.rendered(name), rendered),
    );
    if (own !== undefined) return own;
    let name = String(release.number);
    for (let again = 2; trees.includes(name); again++) name = `${release.number}.${again}`;
    return name;
  }

  /** What a release's tree holds. @throws AgentError CORRUPT when no pack has it */
  release(tree: TreeName): Applied {
    const release = this.#packs.release(tree);
    if (!release)
      throw new AgentError('CORRUPT', `release ${tree} is needed here, but ${this.#paths.packs} does not hold it`);
    let known = this.#known.get(tree);
    if (!known) {
      known = { release, manifest: this.#manifest(this.#packs.rendered(tree)?.pages ?? release.pages) };
      this.#known.set(tree, known);
    }
    return known;
  }

  #manifest(pages: readonly BlobRef[]): Manifest {
    return manifestFromPages(pages.map((page) => this.#packs.read(page)));
  }

  /** How a tree was rendered; undefined where it was not. */
  rendered(tree: TreeName): Rendered | undefined {
    return this.#packs.rendered(tree);
  }

  /** The manifest of a tree's release as it was published. */
  source(tree: TreeName): Manifest {
    return this.#manifest(this.release(tree).release.pages);
  }

  staged(tree: TreeName): StagedRelease {
    const { release, manifest } = this.release(tree);
    return { name: tree, number: release.number, manifest, definition: release.definition };
  }

  /** Content first into a pack, synced; then the tree. */
  async stage(
    tree: TreeName,
    release: Release,
    { manifest, source, rendered, contents }: Form,
    fetch: (ref: BlobRef) => Promise<Buffer>,
  ): Promise<void> {
    const all = [...release.pages, ...(rendered?.pages ?? []), ...blobsOf(source), ...blobsOf(manifest)];
    const refs = [...new Map(all.map((ref) => [ref.sha256, ref])).values()]; // what no template changed is in both
    const wanted = refs.filter((ref) => !this.#packs.has(ref));
    const bytesOf = async (ref: BlobRef): Promise<Buffer> => contents.get(ref.sha256) ?? (await fetch(ref));
    const blobs = new Map(await Promise.all(wanted.map(async (ref) => [ref.sha256, await bytesOf(ref)] as const)));
    if (blobs.size > 0 || !this.#packs.release(tree)) {
      const others = (): TreeName[] => this.#needed().filter((name) => name !== tree && name !== ORIGINAL);
      const packed = { tree, release, ...(rendered ? { rendered } : {}), refs };
      this.#packs.add(packed, blobs, () => others().map((name) => this.#needs(name)));
    }
    this.#known.set(tree, { release, manifest });
    for (const name of this.#unneeded().slice(WAITING_MOST)) if (name !== tree) this.#remove(name);
    if (liveTree(this.#paths) === tree) await this.complete(tree, manifest);
    else await this.#write(tree, manifest, blobs);
  }

  async #write(tree: TreeName, manifest: Manifest, fresh: ReadonlyMap<string, Buffer> = new Map()): Promise<void> {
    const folder = this.#paths.tree(tree);
    const content: Content = (entry) => fresh.get(entry.sha256) ?? this.#packs.read(entry);
    this.#keepEdits(tree);
    try {
      if (!(await this.#spare.become(folder, manifest, content))) await this.#writer.write(folder, manifest, content);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Makes sure that a tree which a crash may have cut off is whole: the live one in place, another anew. */
  async complete(tree: TreeName, manifest: Manifest): Promise<void> {
    const drift = compareTree(this.#paths.tree(tree), manifest, this.#owners, 'quick');
    if (drift.length === 0) return;
    if (liveTree(this.#paths) === tree) this.mend(tree, manifest, drift);
    else await this.#write(tree, manifest);
  }

  /** Puts entries of the live tree right, one by one; what was there instead is kept aside. */
  mend(tree: TreeName, manifest: Manifest, drift: readonly Drift[]): void {
    const wrong = new Set(drift.map(({ path }) => path));
    for (const entry of manifest) if (wrong.has(entry.path)) this.#mendOne(this.#paths.tree(tree), entry);
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
    if (entry.kind === 'file' && lstatOf(path)?.isFile() && sha256(readFileSync(path)) === entry.sha256) return;
    this.#aside.keep(path, entry.path);
  }

  /** What was written into a tree while it was live, and in the moment when it ceased to be, is not lost with it. */
  #keepEdits(name: TreeName): void {
    const folder = this.#paths.tree(name);
    if (!lstatOf(folder) || name === ORIGINAL || !this.#packs.release(name)) return;
    const { manifest, release } = this.release(name);
    if (release.definition.link === 'copy') return; // nobody writes there
    for (const { path, what } of compareTree(folder, manifest, this.#owners, 'full'))
      if ((what === 'content' || what === 'kind') && !this.#isCutOff(join(folder, path), manifest, path))
        this.#aside.keep(join(folder, path), path);
  }

  /** A file that a crash cut off while it was made is no edit. */
  #isCutOff(place: string, manifest: Manifest, path: string): boolean {
    const entry = manifest.find((one) => one.path === path);
    const stats = lstatOf(place);
    if (entry?.kind !== 'file' || !stats?.isFile() || stats.size >= entry.size) return false;
    return this.#packs.read(entry).subarray(0, stats.size).equals(readFileSync(place));
  }

  /** The trees here that packs can vouch for, the newest last. */
  names(): TreeName[] {
    const there = new Set(readdirSync(this.#paths.releases));
    return this.#packs.trees.filter((name) => there.has(name));
  }

  /** Takes away trees that are not needed any more, and a spare that somebody else left. */
  prune(): void {
    for (const name of this.#unneeded()) this.#remove(name);
    this.#spare.discard();
  }

  /** Work for a quiet moment, so that the next release is staged sooner. Does nothing where all is ready. */
  async prepare(): Promise<void> {
    const live = liveRelease(this.#paths);
    if (live === undefined) return;
    const { manifest } = this.release(live);
    const unneeded = this.#unneeded();
    if (!this.#spare.holds(manifest)) {
      const old = unneeded.find((name) => this.#known.has(name) && this.#packs.release(name));
      const source = old === undefined ? undefined : { folder: this.#paths.tree(old), ...this.release(old) };
      await this.#spare.make(manifest, (entry) => this.#packs.read(entry), source);
    }
    for (const name of unneeded) this.#remove(name);
  }

  /** The live tree, the newest others and the original. */
  #needed(): TreeName[] {
    const live = liveTree(this.#paths) ?? ORIGINAL;
    const others = this.names().filter((name) => name !== live);
    return [...new Set([ORIGINAL, ...others.slice(-KEPT), live])];
  }

  #unneeded(): TreeName[] {
    const needed = new Set(this.#needed());
    return readdirSync(this.#paths.releases).filter((name) => !needed.has(name));
  }

  #remove(name: TreeName): void {
    this.#keepEdits(name);
    this.#known.delete(name);
    rmSync(join(this.#paths.releases, name), { recursive: true, force: true });
  }

  /** A tree with all that makes it anew, and rendered otherwise. */
  #needs(tree: TreeName): PackedRelease & { refs: BlobRef[] } {
    const { release, manifest } = this.release(tree);
    const rendered = this.#packs.rendered(tree);
    const source = rendered ? [...rendered.pages, ...blobsOf(this.#manifest(release.pages))] : [];
    return {
      tree,
      release,
      ...(rendered ? { rendered } : {}),
      refs: [...release.pages, ...source, ...blobsOf(manifest)],
    };
  }
}
