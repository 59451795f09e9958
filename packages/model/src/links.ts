import { type BundleDefinition, DEFAULT_LINKS } from './definition.ts';
import { ModelError } from './errors.ts';
import type { Manifest } from './manifest.ts';
import { liesIn, linkTarget } from './path.ts';

/**
 * Symlinks of a bundle are kept as they are, so where they lead is checked: inside the bundle, or by an absolute path into a folder
 * that is allowed. A `..` that climbs out is always refused: it would lead somewhere else from the staged copy.
 * @param allowed folders outside the root; an instance passes its own list, so that no manifest can widen it
 * @throws ModelError BAD_MANIFEST
 */
export function checkLinks(
  manifest: Manifest,
  definition: BundleDefinition,
  allowed: readonly string[] = [...DEFAULT_LINKS, ...(definition.links ?? [])],
): void {
  for (const entry of manifest) {
    if (entry.kind !== 'symlink') continue;
    const leads = linkTarget(definition.root, entry.path, entry.target);
    if (leads === 'climbs-out') {
      throw new ModelError('BAD_MANIFEST', `the link ${entry.path} climbs out of ${definition.root} (${entry.target})`);
    }
    if ('outside' in leads && !allowed.some((folder) => liesIn(folder, leads.outside))) {
      throw new ModelError(
        'BAD_MANIFEST',
        `the link ${entry.path} leads outside ${definition.root} to ${entry.target}, which is not in an allowed folder (${allowed.join(', ')})`,
      );
    }
  }
}
