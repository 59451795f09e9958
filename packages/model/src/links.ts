import { type BundleDefinition, DEFAULT_LINKS } from './definition.ts';
import { ModelError } from './errors.ts';
import type { Manifest } from './manifest.ts';
import { climbsOverLink, liesIn, linkTarget } from './path.ts';

/**
 * Symlinks of a bundle are kept as they are, so where they lead is checked: inside the bundle, or by an absolute path into a folder
 * that is allowed. A `..` that climbs out is always refused: it would lead somewhere else from the staged copy; and so is one behind another
 * symlink, where the kernel goes up from that one's target.
 * @param allowed folders outside the root; an instance passes its own list, so that no manifest can widen it
 * @throws ModelError BAD_MANIFEST
 */
export function checkLinks(
  manifest: Manifest,
  definition: BundleDefinition,
  allowed: readonly string[] = [...DEFAULT_LINKS, ...(definition.links ?? [])],
): void {
  const links = new Set(manifest.filter(({ kind }) => kind === 'symlink').map(({ path }) => path));
  for (const entry of manifest) {
    if (entry.kind !== 'symlink') continue;
    if (climbsOverLink(definition.root, entry.path, entry.target, (path) => links.has(path))) {
      throw new ModelError(
        'BAD_MANIFEST',
        `the link ${entry.path} leads over another link or folder and up again (${entry.target}): write where it should lead without '..'`,
      );
    }
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
