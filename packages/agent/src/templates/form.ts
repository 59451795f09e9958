import { setImmediate as breathe } from 'node:timers/promises';
import {
  type BlobRef,
  type Entry,
  type FileEntry,
  type FleetMember,
  type Manifest,
  manifestOf,
  nativeEntries,
  paginate,
  type Release,
  sha256,
  variablesFor,
} from '@quorate/model';
import type { TemplateMachine } from './machine.ts';
import type { Rendered, RenderedFacts } from './rendered.ts';

/** What a release becomes on one instance. */
export interface Form {
  /** as it is staged */
  readonly manifest: Manifest;
  /** as it was published */
  readonly source: Manifest;
  /** where the two differ */
  readonly rendered?: Rendered;
  /** what rendering made, by hash: files, and the pages of the manifest */
  readonly contents: ReadonlyMap<string, Buffer>;
  readonly warnings: readonly string[];
}

/**
 * Renders a release's templates and leaves out what has no native path.
 * @param read content of the release
 * @param before the facts of the live tree
 * @throws TemplateError
 */
export async function formOf(
  release: Release,
  source: Manifest,
  read: (ref: BlobRef) => Promise<Buffer>,
  machine: TemplateMachine,
  before?: RenderedFacts,
): Promise<Form> {
  const native = nativeEntries(source);
  const templates = native.filter((entry) => entry.kind === 'file' && entry.template === true) as FileEntry[];
  if (native === source && templates.length === 0)
    return { manifest: source, source, contents: new Map(), warnings: [] };
  const { facts, files } = await render(release, templates, read, machine, before);
  const manifest = manifestOf(native.map((entry) => asRendered(entry, files.get(entry.path))));
  const pages = paginate(manifest);
  const contents = new Map(
    [...files.values(), ...pages.map(({ bytes }) => bytes)].map((bytes) => [sha256(bytes), bytes]),
  );
  const rendered = { pages: pages.map(({ sha256, size }) => ({ sha256, size })), facts };
  return { manifest, source, rendered, contents, warnings: [] };
}

function asRendered(entry: Entry, bytes: Buffer | undefined): Entry {
  if (entry.kind !== 'file' || !bytes) return entry;
  return { ...entry, size: bytes.byteLength, sha256: sha256(bytes) };
}

/** The bytes of each template's file. */
async function render(
  { bundle, definition }: Release,
  templates: readonly FileEntry[],
  read: (ref: BlobRef) => Promise<Buffer>,
  machine: TemplateMachine,
  before: RenderedFacts | undefined,
): Promise<{ facts: RenderedFacts; files: ReadonlyMap<string, Buffer> }> {
  const { instance } = machine;
  if (templates.length === 0) return { facts: { instance }, files: new Map() };
  const { readsOf, renderTemplate, templateText } = await import('@quorate/model/template'); // few bundles have templates
  const texts = new Map<string, string>();
  for (const entry of templates) texts.set(entry.path, templateText(entry.path, await read(entry)));
  const reads = new Set([...texts].flatMap(([path, text]) => readsOf(path, text).map(([scope]) => scope)));
  const fleet: readonly FleetMember[] | undefined = reads.has('fleet') ? await machine.fleet(before?.fleet) : undefined;
  const vars = variablesFor(definition.variables, instance);
  const scope = { bundle, instance, fleet: fleet ?? [], vars, secret: {} };
  const files = new Map<string, Buffer>();
  for (const [path, text] of texts) {
    files.set(path, Buffer.from(renderTemplate(path, text, scope)));
    await breathe(); // a session's pings must not wait for all of them
  }
  return { facts: { instance, ...(fleet ? { fleet } : {}) }, files };
}
