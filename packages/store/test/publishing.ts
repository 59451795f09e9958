import {
  type BundleDefinition,
  definitionOf,
  draftRelease,
  type Entry,
  type Manifest,
  manifestOf,
  sha256,
} from '@quorate/model';
import {
  type Latest,
  type Publication,
  publishManifest,
  type RolloutWish,
  readManifest,
  type Store,
  StoreError,
} from '../src/index.ts';

export const DEFINITION: BundleDefinition = definitionOf({ root: '/etc/web' });

export const file = (path: string, bytes: Uint8Array): Entry => ({
  path,
  kind: 'file',
  mode: '0644',
  owner: 'root',
  group: 'root',
  size: bytes.byteLength,
  sha256: sha256(bytes),
});
const folder = (path: string): Entry => ({ path, kind: 'directory', mode: '0755', owner: 'root', group: 'root' });

export type Contents = Readonly<Record<string, Uint8Array | string>>;

/** Files as a manifest, with their folders, and where their content comes from. */
export class Tree {
  readonly manifest: Manifest;
  /** hashes that were asked for */
  readonly reads: string[] = [];
  readonly #contents = new Map<string, Uint8Array>();

  constructor(files: Contents) {
    const entries: Entry[] = [];
    const folders = new Set<string>();
    for (const [path, value] of Object.entries(files)) {
      const bytes = typeof value === 'string' ? Buffer.from(value) : value;
      for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) folders.add(path.slice(0, at));
      this.#contents.set(sha256(bytes), bytes);
      entries.push(file(path, bytes));
    }
    this.manifest = manifestOf([...[...folders].map(folder), ...entries]);
  }

  read = async (hash: string): Promise<Uint8Array> => {
    this.reads.push(hash);
    return this.#contents.get(hash)!;
  };
}

/** Publishes these files on top of a base. */
export function publishFiles(
  store: Store,
  base: Latest | undefined,
  files: Contents,
  { bundle = 'web', id, rollout }: { bundle?: string; id?: string; rollout?: RolloutWish } = {},
): Promise<Latest> {
  return publishTree(store, base, new Tree(files), {
    bundle,
    ...(id === undefined ? {} : { id }),
    ...(rollout ? { rollout } : {}),
  });
}

interface PublishTreeOptions {
  readonly bundle?: string;
  readonly id?: string;
  readonly signal?: AbortSignal;
  readonly definition?: BundleDefinition;
  readonly rollout?: RolloutWish;
}

export function publishTree(
  store: Store,
  base: Latest | undefined,
  { manifest, read }: Pick<Tree, 'manifest' | 'read'>,
  { bundle = 'web', id, signal, definition = DEFINITION, rollout = {} }: PublishTreeOptions = {},
): Promise<Latest> {
  const message = `entries ${manifest.length}`;
  const attempt = id === undefined ? {} : { id };
  return publishManifest(
    store,
    { bundle, ...(base ? { base } : {}), definition, manifest, read, author: 'suite', message, rollout, ...attempt },
    signal ? { signal } : {},
  );
}

/** One attempt at publishing, to be made more than once. */
export async function publicationOf(store: Store, base: Latest | undefined, files: Contents): Promise<Publication> {
  const { manifest, read } = new Tree(files);
  const { release, pages, added } = draftRelease({
    bundle: 'web',
    parent: base?.release,
    parentManifest: base ? await readManifest(store, base.release) : [],
    definition: DEFINITION,
    manifest,
    id: `attempt ${Math.random()}`,
    author: 'suite',
    message: '',
    time: '2026-01-01T00:00:00Z',
  });
  const ready = new Map(pages.map((page) => [page.sha256, page.bytes]));
  const source = (hash: string) => async (): Promise<Uint8Array> => ready.get(hash) ?? read(hash);
  return { release, expected: base?.head, added: added.map((ref) => ({ ...ref, read: source(ref.sha256) })) };
}

export async function readFiles(store: Store, { release }: Pick<Latest, 'release'>): Promise<Record<string, Buffer>> {
  const found: Record<string, Buffer> = {};
  for (const entry of await readManifest(store, release))
    if (entry.kind === 'file') found[entry.path] = await store.blob(entry);
  return found;
}

export async function readTexts(store: Store, latest: Pick<Latest, 'release'>): Promise<Record<string, string>> {
  const files = Object.entries(await readFiles(store, latest));
  return Object.fromEntries(files.map(([path, bytes]) => [path, bytes.toString()]));
}

/** Publishes one file of one's own, which holds its name, until it is in: what a publisher with --rebase does. */
export async function publishUntilIn(store: Store, path: string, bundle = 'web'): Promise<Latest> {
  for (;;) {
    const base = await store.latest(bundle);
    try {
      const before = base ? await readManifest(store, base.release) : [];
      const files = Object.fromEntries([...before.map((entry) => [entry.path, entry.path]), [path, path]]);
      return await publishFiles(store, base, files, { bundle });
    } catch (error) {
      // a base that was overtaken, and perhaps collected while it was read
      if (!(error instanceof StoreError && (error.code === 'CONFLICT' || error.code === 'NOT_FOUND'))) throw error;
    }
  }
}
