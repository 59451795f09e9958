import {
  type BundleDefinition,
  type FileEntry,
  type Manifest,
  markTemplates,
  type ScopedVariables,
  TemplateError,
} from '@quorate/model';

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
  if (definition.variables && 'file' in definition.variables) await variablesOf(definition, manifest, read);
  if (templates.length === 0) return;
  const { readsOf, templateText } = await import('@quorate/model/template'); // few bundles have templates
  for (const file of templates) readsOf(file.path, templateText(file.path, await read(file)));
}

/**
 * What templates of a bundle read as `vars`: from the definition, or from the file that it names.
 * @param read content of the manifest
 * @throws TemplateError
 */
export async function variablesOf(
  { variables }: BundleDefinition,
  manifest: Manifest,
  read: (file: FileEntry) => Promise<Uint8Array>,
): Promise<ScopedVariables | undefined> {
  if (!variables || !('file' in variables)) return variables;
  const { file } = variables;
  const entry = manifest.find(({ path }) => path === file);
  if (entry?.kind !== 'file') {
    const place = { file, line: 1, column: 1 };
    const why = entry ? 'it is no file' : 'the bundle has no such file, which `variables:` of its definition names';
    throw new TemplateError(place, why, { what: 'variables file' });
  }
  const { readVariables } = await import('@quorate/model/variables-file');
  return readVariables(file, await read(entry));
}
