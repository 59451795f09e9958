import { setImmediate as breathe } from 'node:timers/promises';
import {
  type BlobRef,
  type Entry,
  type FileEntry,
  type Manifest,
  manifestOf,
  nativeEntries,
  paginate,
  type Release,
  sha256,
  TemplateError,
  variablesFor,
} from '@quorate/model';
import { variablesOf } from '@quorate/store';
import type { TemplateMachine } from './machine.ts';
import type { Rendered, RenderedFacts } from './rendered.ts';
import { clearValues, type ReleaseSecrets, secretNames, secretsOf } from './secrets.ts';

/** ms by the monotonic clock for all templates of a bundle: each has its own bound, and there may be ten thousand. */
const ALL_MS = 30_000;

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
  /** secret values that are in it: for hiding them from what is shown */
  readonly secrets: readonly string[];
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
    return { manifest: source, source, contents: new Map(), secrets: [], warnings: [] };
  const secrets = await secretsOf(source, read);
  const { facts, files, values, warnings } = await render(
    { release, source, templates },
    secrets,
    read,
    machine,
    before,
  );
  const manifest = manifestOf(native.map((entry) => asRendered(entry, files.get(entry.path))));
  const pages = paginate(manifest);
  const contents = new Map(
    [...files.values(), ...pages.map(({ bytes }) => bytes)].map((bytes) => [sha256(bytes), bytes]),
  );
  const rendered = { pages: pages.map(({ sha256, size }) => ({ sha256, size })), facts };
  return { manifest, source, rendered, contents, secrets: values, warnings };
}

function asRendered(entry: Entry, bytes: Buffer | undefined): Entry {
  if (entry.kind !== 'file' || !bytes) return entry;
  return { ...entry, size: bytes.byteLength, sha256: sha256(bytes) };
}

interface Rendering {
  readonly facts: RenderedFacts;
  /** bytes by path */
  readonly files: ReadonlyMap<string, Buffer>;
  /** of the secrets that were read */
  readonly values: readonly string[];
  readonly warnings: readonly string[];
}

async function render(
  { release, source, templates }: { release: Release; source: Manifest; templates: readonly FileEntry[] },
  secrets: ReleaseSecrets,
  read: (ref: BlobRef) => Promise<Buffer>,
  machine: TemplateMachine,
  before: RenderedFacts | undefined,
): Promise<Rendering> {
  const { instance } = machine;
  if (templates.length === 0) return { facts: { instance }, files: new Map(), values: [], warnings: [] };
  const { readsOf, renderTemplate, templateText } = await import('@quorate/model/template'); // few bundles have templates
  const texts = new Map<string, string>();
  for (const entry of templates) texts.set(entry.path, templateText(entry.path, await read(entry)));
  const reads = new Map([...texts].map(([path, text]) => [path, readsOf(path, text)]));
  const all = [...reads.values()].flat();
  const fleet = all.some(([scope]) => scope === 'fleet') ? await machine.fleet(before?.fleet) : undefined;
  const secret = await clearValues(secrets, secretsRead(all, secrets), read, machine.secret);
  const vars = variablesFor(await variablesOf(release.definition, source, read), instance);
  const scope = { bundle: release.bundle, instance, fleet: fleet ?? [], vars, secret };
  const files = new Map<string, Buffer>();
  const from = performance.now();
  for (const [path, text] of texts) {
    if (performance.now() - from > ALL_MS)
      throw new TemplateError({ file: path, line: 1, column: 1 }, `the templates before it took ${ALL_MS / 1000} s`);
    files.set(path, Buffer.from(renderTemplate(path, text, scope)));
    await breathe(); // a session's pings must not wait for all of them
  }
  const open = templates.filter(
    ({ path, mode }) => reads.get(path)!.some(([scope]) => scope === 'secret') && Number.parseInt(mode, 8) & 0o004,
  );
  const warnings = open.map(
    ({ path, mode }) => `${path} has secrets in it, and mode ${mode} lets every user read them`,
  );
  const facts = { instance, ...(fleet ? { fleet } : {}), ...outsideOf(secrets, secret) };
  return { facts, files, values: Object.values(secret), warnings };
}

/** Names of the secrets that templates read; all where one is computed. */
function secretsRead(reads: readonly (readonly string[])[], secrets: ReleaseSecrets): ReadonlySet<string> {
  const paths = reads.filter(([scope]) => scope === 'secret');
  return new Set(paths.some((path) => path.length === 1) ? secretNames(secrets) : paths.map(([, name]) => name!));
}

function outsideOf(
  { record }: ReleaseSecrets,
  values: Readonly<Record<string, string>>,
): Pick<RenderedFacts, 'outside'> {
  const used = Object.entries(record?.outside ?? {}).filter(([name]) => values[name] !== undefined);
  if (used.length === 0) return {};
  return { outside: Object.fromEntries(used.map(([name, from]) => [name, { from, sha256: sha256(values[name]!) }])) };
}
