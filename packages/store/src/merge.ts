import {
  type BundleDefinition,
  type Entry,
  type FileEntry,
  type Manifest,
  markTemplates,
  mergeDefinitions,
  mergeManifests,
  type PathConflict,
  type Release,
  sameEntry,
  settleMerge,
  sha256,
} from '@quorate/model';
import { mergeText, textOf } from '@quorate/model/text';
import { readManifest } from './read.ts';
import type { CallOptions, Latest, Store } from './store.ts';

/** A set of files that somebody wants to make the next release. */
export interface WorkingSet {
  readonly manifest: Manifest;
  readonly definition: BundleDefinition;
  /** content by its hash, for what the store may not have */
  read(sha256: string): Promise<Uint8Array>;
}

/** A place that both sides changed differently. */
export interface OpenConflict {
  readonly path: string;
  /** what each side did to it, where that cannot be merged as text: `changed`, `added` or `removed` */
  readonly done?: { readonly ours: string; readonly theirs: string };
  /** the file with both versions between markers */
  readonly text?: string;
}

/**
 * A set of files merged, three ways, onto what came in since the release that it was made from.
 * @returns the merged set, or what only a person can settle
 * @throws StoreError NOT_FOUND when the base is not kept any more
 */
export async function mergeOnto(
  store: Store,
  base: Release,
  head: Latest,
  working: WorkingSet,
  options: CallOptions = {},
): Promise<WorkingSet | { readonly open: readonly OpenConflict[] }> {
  const baseManifest = await readManifest(store, base, options);
  const theirs = await readManifest(store, head.release, options);
  const merged = mergeManifests(baseManifest, working.manifest, theirs);
  const contents = new Map<string, Uint8Array>();
  const settled: Entry[] = [];
  const open: OpenConflict[] = [];
  for (const conflict of merged.conflicts) {
    const result = await mergeFile(store, conflict, working, options);
    if ('path' in result) open.push(result);
    else {
      contents.set(result.entry.sha256, result.bytes);
      settled.push(result.entry);
    }
  }
  const { definition, conflicts } = mergeDefinitions(base.definition, working.definition, head.release.definition);
  const changed = { ours: 'changed', theirs: 'changed' };
  for (const key of conflicts) open.push({ path: `\`${key}:\` of the definition`, done: changed });
  if (open.length > 0) return { open };
  const known = new Map(theirs.filter((entry) => entry.kind === 'file').map((entry) => [entry.sha256, entry]));
  return {
    manifest: markTemplates(definition, settleMerge(merged, settled, [theirs, working.manifest])),
    definition,
    read: async (hash) =>
      contents.get(hash) ?? (known.has(hash) ? store.blob(known.get(hash)!, options) : working.read(hash)),
  };
}

/** @returns the merged file, or what a person has to look at */
async function mergeFile(
  store: Store,
  { path, base, ours, theirs }: PathConflict,
  working: WorkingSet,
  options: CallOptions,
): Promise<{ readonly entry: FileEntry; readonly bytes: Buffer } | OpenConflict> {
  if (ours?.kind !== 'file' || theirs?.kind !== 'file')
    return { path, done: { ours: verb(base, ours), theirs: verb(base, theirs) } };
  const baseText = base?.kind === 'file' ? textOf(await store.blob(base, options)) : '';
  const [ourText, theirText] = [textOf(await working.read(ours.sha256)), textOf(await store.blob(theirs, options))];
  if (baseText === undefined || ourText === undefined || theirText === undefined) return { path };
  const merged = mergeText(baseText, ourText, theirText, { ours: 'yours', theirs: 'theirs' });
  if (merged.conflicts > 0) return { path, text: merged.text };
  const bytes = Buffer.from(merged.text);
  // attributes: whoever changed them against the base wins; if both did, the release that is there
  const attributes =
    base?.kind === 'file' && sameEntry({ ...base, sha256: theirs.sha256, size: theirs.size }, theirs) ? ours : theirs;
  return { bytes, entry: { ...attributes, size: bytes.byteLength, sha256: sha256(bytes) } };
}

function verb(base: Entry | undefined, entry: Entry | undefined): string {
  if (!entry) return 'removed';
  return base ? 'changed' : 'added';
}
