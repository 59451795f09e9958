import { type BundleDefinition, type FileEntry, type Manifest, markTemplates } from '@quorate/model';

/**
 * Finds what no instance could render, before anybody is asked to.
 * @param read content of the manifest
 * @throws TemplateError
 */
export async function checkTemplates(
  definition: BundleDefinition,
  manifest: Manifest,
  read: (file: FileEntry) => Promise<Uint8Array>,
): Promise<void> {
  const templates = markTemplates(definition, manifest).filter(
    (entry): entry is FileEntry => entry.kind === 'file' && entry.template === true,
  );
  if (templates.length === 0) return;
  const { readsOf, templateText } = await import('@quorate/model/template'); // few bundles have templates
  for (const file of templates) readsOf(file.path, templateText(file.path, await read(file)));
}
