import type { Entry, Manifest } from './manifest.ts';
import { comparePaths } from './path.ts';

/** One path that differs between two manifests: added (no `before`), removed (no `after`) or changed. */
export interface Change {
  readonly path: string;
  readonly before?: Entry;
  readonly after?: Entry;
  /** what differs: content (bytes, link target or kind), or only mode, owner or group */
  readonly content: boolean;
}

export function diffManifests(before: Manifest, after: Manifest): Change[] {
  const old = new Map(before.map((entry) => [entry.path, entry]));
  const changes: Change[] = [];
  for (const entry of after) {
    const was = old.get(entry.path);
    old.delete(entry.path);
    if (!was) changes.push({ path: entry.path, after: entry, content: true });
    else if (!sameContent(was, entry)) changes.push({ path: entry.path, before: was, after: entry, content: true });
    else if (!sameAttributes(was, entry)) changes.push({ path: entry.path, before: was, after: entry, content: false });
  }
  for (const entry of old.values()) changes.push({ path: entry.path, before: entry, content: true });
  return changes.sort((a, b) => comparePaths(a.path, b.path));
}

function sameContent(a: Entry, b: Entry): boolean {
  if (a.kind === 'file' && b.kind === 'file') return a.sha256 === b.sha256 && a.template === b.template;
  if (a.kind === 'symlink' && b.kind === 'symlink') return a.target === b.target;
  return a.kind === b.kind;
}

function sameAttributes(a: Entry, b: Entry): boolean {
  const mode = (entry: Entry): string => (entry.kind === 'symlink' ? '' : entry.mode);
  return a.owner === b.owner && a.group === b.group && mode(a) === mode(b);
}

export function sameEntry(a: Entry | undefined, b: Entry | undefined): boolean {
  if (!a || !b) return a === b;
  return sameContent(a, b) && sameAttributes(a, b);
}
