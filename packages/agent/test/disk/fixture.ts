import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type BlobRef,
  type BundleDefinition,
  draftRelease,
  type Entry,
  type Manifest,
  manifestOf,
  markTemplates,
  type Release,
  sha256,
} from '@quorate/model';
import { type Bundle, type BundleOptions, DEFAULT_POLICY, openBundle } from '../../src/disk/index.ts';
import { lstatOf } from '../../src/disk/tree.ts';

/** Content by path; a path ending in `/` is an empty folder, a value starting with `->` a symlink. */
export type Files = Readonly<Record<string, string>>;

export interface MadeRelease {
  readonly release: Release;
  readonly manifest: Manifest;
  readonly fetch: { manifest(): Promise<Manifest>; blob(ref: BlobRef): Promise<Buffer> };
}

const ME = { owner: String(process.geteuid?.() ?? 0), group: String(process.getegid?.() ?? 0) };

export function manifestWith(files: Files, mode = '0644'): { manifest: Manifest; contents: Map<string, Buffer> } {
  const contents = new Map<string, Buffer>();
  const entries = new Map<string, Entry>([['.', { path: '.', kind: 'directory', mode: '0755', ...ME }]]);
  const folder = (path: string): void => {
    if (path === '.' || entries.has(path)) return;
    folder(dirname(path));
    entries.set(path, { path, kind: 'directory', mode: '0755', ...ME });
  };
  for (const [path, text] of Object.entries(files)) {
    folder(dirname(path));
    if (path.endsWith('/')) folder(path.slice(0, -1));
    else if (text.startsWith('->')) entries.set(path, { path, kind: 'symlink', target: text.slice(2), ...ME });
    else {
      const bytes = Buffer.from(text);
      contents.set(sha256(bytes), bytes);
      entries.set(path, { path, kind: 'file', mode, ...ME, size: bytes.byteLength, sha256: sha256(bytes) });
    }
  }
  return { manifest: manifestOf(entries.values()), contents };
}

/** The next release after `parent` with these files. */
export function makeRelease(definition: BundleDefinition, files: Files, parent?: MadeRelease): MadeRelease {
  const { manifest: plain, contents } = manifestWith(files);
  const manifest = markTemplates(definition, plain);
  const { release, pages } = draftRelease({
    bundle: 'web',
    parent: parent?.release,
    parentManifest: parent?.manifest ?? [],
    definition,
    manifest,
    id: `id-${(parent?.release.number ?? 0) + 1}-${sha256(JSON.stringify([definition, files])).slice(0, 8)}`,
    author: 'test',
    message: 'test',
    time: '2026-01-01T00:00:00Z',
  });
  for (const page of pages) contents.set(page.sha256, page.bytes);
  const blob = async (ref: BlobRef): Promise<Buffer> => {
    const bytes = contents.get(ref.sha256);
    if (!bytes) throw new Error(`the test has no blob ${ref.sha256}`);
    return bytes;
  };
  return { release, manifest, fetch: { manifest: async () => manifest, blob } };
}

/** A machine's disk in a temporary folder: `etc` below a root, and a state folder. */
export class Disk implements Disposable {
  readonly folder: string;
  readonly root: string;
  readonly state: string;
  readonly lines: string[] = [];

  constructor(folder = mkdtempSync(join(tmpdir(), 'quorate-disk-'))) {
    this.folder = folder;
    this.root = join(folder, 'root');
    this.state = join(folder, 'state');
    mkdirSync(join(this.root, 'etc'), { recursive: true });
    mkdirSync(this.state, { recursive: true });
  }

  open(options: Partial<BundleOptions> = {}): Promise<Bundle> {
    const log = (line: string): void => {
      this.lines.push(line);
    };
    return openBundle({ state: this.state, root: this.root, bundle: 'web', policy: DEFAULT_POLICY, log, ...options });
  }

  path(native: string): string {
    return join(this.root, native);
  }

  /** Puts files at native places, as a package or a person would. */
  put(native: string, files: Files): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.root, native, path)), { recursive: true });
      writeFileSync(join(this.root, native, path), text);
    }
  }

  /** Every file that a reader finds at a native place, links followed as the kernel does; dangling links read as absent. */
  read(native: string): Files {
    return readTree(join(this.root, native));
  }

  /** A file beside root and state. */
  readFile(path: string): string {
    return readFileSync(join(this.folder, path), 'utf8');
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function readTree(folder: string, prefix = ''): Files {
  const found: Record<string, string> = {};
  let names: string[];
  try {
    names = readdirSync(join(folder, prefix));
  } catch {
    return found; // nothing there
  }
  for (const name of names) {
    const path = prefix ? `${prefix}/${name}` : name;
    if (name.startsWith('.') && name.includes('.quorate')) continue; // on its way to its name
    const stats = lstatOf(join(folder, path));
    if (stats?.isDirectory()) Object.assign(found, readTree(folder, path));
    else {
      try {
        found[path] = readFileSync(join(folder, path), 'utf8');
      } catch {
        // a dangling link: absent for whoever opens it
        if (stats?.isSymbolicLink() && !readlinkSync(join(folder, path)).includes('current'))
          found[path] = `->${readlinkSync(join(folder, path))}`;
      }
    }
  }
  return found;
}
