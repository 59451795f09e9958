import { sameEntry } from './diff.ts';
import { type Entry, type Manifest, manifestOf } from './manifest.ts';
import { parentPath } from './path.ts';

/** What a three-way merge leaves to settle for one path. */
export interface PathConflict {
  readonly path: string;
  readonly base?: Entry;
  readonly ours?: Entry;
  readonly theirs?: Entry;
}

export interface MergedManifest {
  /** entries that only one side changed, or both in the same way; conflicting paths are left out */
  readonly entries: readonly Entry[];
  /** both sides changed these differently; two files may still be merged as text */
  readonly conflicts: readonly PathConflict[];
}

/** Three-way merge of manifests, path by path. */
export function mergeManifests(base: Manifest, ours: Manifest, theirs: Manifest): MergedManifest {
  const [b, o, t] = [base, ours, theirs].map((manifest) => new Map(manifest.map((entry) => [entry.path, entry])));
  const entries: Entry[] = [];
  const conflicts: PathConflict[] = [];
  for (const path of new Set([...b!.keys(), ...o!.keys(), ...t!.keys()])) {
    const [inBase, inOurs, inTheirs] = [b!.get(path), o!.get(path), t!.get(path)];
    const chosen = sameEntry(inOurs, inBase)
      ? inTheirs
      : sameEntry(inTheirs, inBase) || sameEntry(inOurs, inTheirs)
        ? inOurs
        : null;
    if (chosen === null) conflicts.push({ path, base: inBase, ours: inOurs, theirs: inTheirs });
    else if (chosen) entries.push(chosen);
  }
  const inTheWay = filesInTheWay(entries);
  for (const path of inTheWay) conflicts.push({ path, base: b!.get(path), ours: o!.get(path), theirs: t!.get(path) });
  return { entries: entries.filter(({ path }) => !inTheWay.has(path)), conflicts };
}

/** What one side made a file or a link, while the other put something into the folder that it was. */
function filesInTheWay(entries: readonly Entry[]): Set<string> {
  const files = new Set(entries.filter(({ kind }) => kind !== 'directory').map(({ path }) => path));
  const found = new Set<string>();
  for (const { path } of entries)
    for (let at = parentPath(path); at !== '.'; at = parentPath(at)) if (files.has(at)) found.add(at);
  return found;
}

/** A merge without conflicts as a manifest. A folder that one side removed and the other filled is kept. */
export function settleMerge(merged: MergedManifest, settled: Iterable<Entry>, sides: readonly Manifest[]): Manifest {
  const entries = new Map([...merged.entries, ...settled].map((entry) => [entry.path, entry]));
  const folders = new Map(
    sides
      .flat()
      .filter((entry) => entry.kind === 'directory')
      .map((entry) => [entry.path, entry]),
  );
  for (const path of [...entries.keys()]) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const folder = folders.get(path.slice(0, at));
      if (folder && !entries.has(folder.path)) entries.set(folder.path, folder);
    }
  }
  return manifestOf(entries.values());
}
