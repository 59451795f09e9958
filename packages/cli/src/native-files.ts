import { lookAt } from '@quorate/agent';
import { blobsOf, type Entry, isOwnFile, type Manifest, manifestOf } from '@quorate/model';
import type { Store } from '@quorate/store';
import type { Context } from './context.ts';
import { CliError, EXIT } from './exit.ts';

/** What native files are as a release: files that were rendered stand for their templates. */
export interface Unrendered {
  readonly manifest: Manifest;
  /** rendered files that were edited by hand since: nobody can tell what that means for their templates */
  readonly edited: readonly string[];
}

/**
 * Native files as they were scanned, with the templates of their base in place of what those became here, and with what the base has for Quorate.
 * @param base the release that they are to be seen against
 */
export function unrendered(context: Context, bundle: string, base: Manifest, scanned: Manifest): Unrendered {
  const templates = new Map(
    base.filter((entry) => entry.kind === 'file' && entry.template).map((entry) => [entry.path, entry]),
  );
  const own = base.filter(({ path }) => isOwnFile(path));
  if (templates.size === 0 && own.length === 0) return { manifest: scanned, edited: [] };
  const { state, root } = context.settings;
  const live = templates.size > 0 ? lookAt({ state, root, bundle }) : undefined;
  const rendered = new Map(live?.manifest.map((entry) => [entry.path, entry]));
  const edited: string[] = [];
  const native = scanned
    .filter(({ path }) => !isOwnFile(path))
    .map((entry): Entry => {
      const template = templates.get(entry.path);
      if (template?.kind !== 'file' || entry.kind !== 'file') return entry;
      const was = rendered.get(entry.path);
      if (was?.kind !== 'file' || was.sha256 !== entry.sha256) edited.push(entry.path);
      const { mode, owner, group } = entry;
      return { ...template, mode, owner, group };
    });
  return { manifest: manifestOf([...native, ...own]), edited };
}

/** @throws CliError refused when a rendered file was edited by hand */
export function mustBeRendered({ edited }: Unrendered, root: string): void {
  if (edited.length === 0) return;
  const [first] = edited;
  throw new CliError(
    EXIT.refused,
    `rendered from a template and edited by hand since: ${edited.join(', ')}; nothing was published`,
    `make the change in the template: quorate edit ${root}/${first}`,
  );
}

/** Content of a manifest that the store has, else by somebody else's reading. */
export function readingBase(
  store: Store,
  base: Manifest,
  read: (sha256: string) => Promise<Uint8Array>,
): (sha256: string) => Promise<Uint8Array> {
  const known = new Map(blobsOf(base).map((ref) => [ref.sha256, ref]));
  return (hash) => (known.has(hash) ? store.blob(known.get(hash)!) : read(hash));
}
