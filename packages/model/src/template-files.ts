import { matchesGlob } from 'node:path';
import type { BundleDefinition } from './definition.ts';
import type { Manifest } from './manifest.ts';
import { isOwnFile } from './own-files.ts';

/** Whether a path matches one of these globs; one without a slash is for names in any folder. */
export function matchesAny(path: string, globs: readonly string[]): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return globs.some((glob) => matchesGlob(path, glob) || (!glob.includes('/') && matchesGlob(name, glob)));
}

/** A manifest with just the files marked as templates that the definition names. */
export function markTemplates({ templates = [] }: BundleDefinition, manifest: Manifest): Manifest {
  return manifest.map((entry) => {
    if (entry.kind !== 'file') return entry;
    const wanted = !isOwnFile(entry.path) && matchesAny(entry.path, templates);
    if (wanted === (entry.template === true)) return entry;
    const { template: _, ...plain } = entry;
    return wanted ? { ...plain, template: true } : plain;
  });
}
