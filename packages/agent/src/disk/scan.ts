import { constants, lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type BundleDefinition,
  checkLimits,
  checkLinks,
  DEFAULT_IGNORE,
  type Entry,
  type FileEntry,
  LIMITS,
  type Manifest,
  ModelError,
  manifestOf,
  markTemplates,
  matchesAny,
  sha256,
} from '@quorate/model';
import { AgentError } from '../errors.ts';
import { fileError } from './file-errors.ts';
import { Owners } from './owners.ts';

export interface ScanOptions {
  readonly definition: BundleDefinition;
  /** just these, relative to the folder, with their parent folders */
  readonly only?: readonly string[];
  /**
   * `native`: modes and owners as on disk. With a base, paths that it has keep theirs, only the execute bit of a file follows the folder: right for a
   * folder from version control, which knows no owners and few modes. New paths get the base's root owner.
   */
  readonly owners: 'native' | { readonly base: Manifest };
  /** where a path really is, where that is not below the folder: a native file may be a link of Quorate's */
  readonly place?: (path: string) => string;
  /** whose users give the owners their names; `/` unless said */
  readonly root?: string;
}

export interface Scanned {
  readonly manifest: Manifest;
  /** paths that `ignore` left out */
  readonly ignored: readonly string[];
  /** content of a file of the manifest, checked again to be what was scanned */
  read(sha256: string): Promise<Buffer>;
}

/** A file that changes while it is read is read again this often. */
const READS = 3;
const REFUSALS_SHOWN = 20;

/**
 * A folder as a manifest.
 * @throws AgentError IMPORT_REFUSED that names everything that no bundle can hold
 */
export async function scanTree(folder: string, options: ScanOptions): Promise<Scanned> {
  return new Scan(folder, options).run();
}

class Scan {
  readonly #folder: string;
  readonly #options: ScanOptions;
  readonly #owners: Owners;
  readonly #ignore: readonly string[];
  readonly #base: ReadonlyMap<string, Entry>;
  readonly #refused: string[] = [];
  readonly #ignored: string[] = [];
  readonly #entries: Entry[] = [];
  readonly #files: { path: string; stats: Stats }[] = [];
  readonly #places = new Map<string, string>();

  constructor(folder: string, options: ScanOptions) {
    this.#folder = folder;
    this.#options = options;
    this.#owners = new Owners(options.root ?? '/');
    this.#ignore = [...DEFAULT_IGNORE, ...(options.definition.ignore ?? [])];
    this.#base = new Map(options.owners === 'native' ? [] : options.owners.base.map((entry) => [entry.path, entry]));
  }

  async run(): Promise<Scanned> {
    try {
      const stats = lstatSync(`${this.#folder}/.`);
      if (!stats.isDirectory()) throw new AgentError('IMPORT_REFUSED', `${this.#folder} is no folder`);
      this.#directory('.', stats);
      if (this.#options.only) for (const path of this.#options.only) this.#single(path);
      else this.#walk('');
      this.#checkSizes();
      for (const file of this.#files) this.#entries.push(await this.#read(file.path, file.stats));
    } catch (error) {
      throw fileError(`${this.#folder} cannot be read`, error);
    }
    return this.#finish();
  }

  #finish(): Scanned {
    const { definition } = this.#options;
    let manifest: Manifest = [];
    try {
      manifest = markTemplates(definition, manifestOf(this.#entries));
      for (const entry of manifest) this.#checkLink(entry, definition);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      this.#refused.push(error.message);
    }
    if (this.#refused.length > 0) {
      const more = this.#refused.length - REFUSALS_SHOWN;
      const list = this.#refused.slice(0, REFUSALS_SHOWN).map((line) => `\n  ${line}`);
      throw new AgentError(
        'IMPORT_REFUSED',
        `${this.#folder} has what no bundle can hold:${list.join('')}${more > 0 ? `\n  and ${more} more` : ''}`,
      );
    }
    return { manifest, ignored: this.#ignored, read: (hash) => this.#readAgain(hash) };
  }

  #checkLink(entry: Entry, definition: BundleDefinition): void {
    try {
      checkLinks([entry], definition);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      this.#refused.push(error.message);
    }
  }

  #walk(path: string): void {
    // names as bytes: not every name of a file system is valid UTF-8
    for (const bytes of readdirSync(join(this.#folder, path), { encoding: 'buffer' }).sort(Buffer.compare)) {
      const name = bytes.toString('utf8');
      const child = path === '' ? name : `${path}/${name}`;
      if (!Buffer.from(name).equals(bytes)) this.#refused.push(`${child}: the name is not valid UTF-8`);
      else if (this.#ignores(child)) this.#ignored.push(child);
      else this.#visit(child, true);
    }
  }

  #single(path: string): void {
    const names = path.split('/');
    for (let depth = 1; depth < names.length; depth++) {
      const parent = names.slice(0, depth).join('/');
      if (!this.#entries.some((entry) => entry.path === parent)) this.#visit(parent, false);
    }
    this.#visit(path, true);
  }

  #at(path: string): string {
    return this.#options.place?.(path) ?? join(this.#folder, path);
  }

  #ignores(path: string): boolean {
    return path === '.quorate.json' || matchesAny(path, this.#ignore);
  }

  #visit(path: string, descend: boolean): void {
    const stats = lstatSync(this.#at(path));
    if (stats.isDirectory()) {
      this.#directory(path, stats);
      if (descend) this.#walk(path);
    } else if (stats.isFile()) this.#files.push({ path, stats });
    else if (stats.isSymbolicLink()) this.#symlink(path, stats);
    else this.#refused.push(`${path}: a ${kindOf(stats)} is neither file, folder nor symlink`);
  }

  #directory(path: string, stats: Stats): void {
    const base = this.#base.get(path);
    const mode = base?.kind === 'directory' ? base.mode : octal(stats.mode);
    this.#entries.push({ path, kind: 'directory', mode, ...this.#owner(path, stats) });
  }

  #symlink(path: string, stats: Stats): void {
    const target = readlinkSync(this.#at(path), { encoding: 'buffer' });
    if (!Buffer.from(target.toString('utf8')).equals(target))
      this.#refused.push(`${path}: its target is not valid UTF-8`);
    else this.#entries.push({ path, kind: 'symlink', target: target.toString('utf8'), ...this.#owner(path, stats) });
  }

  #owner(path: string, stats: Stats): { owner: string; group: string } {
    if (this.#options.owners === 'native')
      return { owner: this.#owners.user(stats.uid), group: this.#owners.group(stats.gid) };
    const like = this.#base.get(path) ?? this.#base.get('.');
    return like ? { owner: like.owner, group: like.group } : { owner: 'root', group: 'root' };
  }

  /** Before anything is read: a folder that is far too large is refused at once. */
  #checkSizes(): void {
    const files = this.#files.map(({ path, stats }) => ({ path, size: stats.size }));
    for (const { path, size } of files)
      if (size > LIMITS.fileBytes)
        this.#refused.push(`${path}: ${size} bytes are more than the ${LIMITS.fileBytes} that a file may have`);
    if (this.#refused.length > 0) this.#finish();
    try {
      checkLimits(files, this.#entries.length + files.length);
    } catch (error) {
      throw new AgentError('IMPORT_REFUSED', `${this.#folder}: ${(error as Error).message}`, { cause: error });
    }
  }

  async #read(path: string, stats: Stats): Promise<FileEntry> {
    const bytes = await readStable(this.#at(path), path);
    const hash = sha256(bytes);
    this.#places.set(hash, path);
    return {
      path,
      kind: 'file',
      mode: this.#fileMode(path, stats),
      ...this.#owner(path, stats),
      size: bytes.byteLength,
      sha256: hash,
    };
  }

  #fileMode(path: string, stats: Stats): string {
    const base = this.#base.get(path);
    if (base?.kind !== 'file') return octal(stats.mode);
    const execute = (stats.mode & 0o100) !== 0;
    const had = (Number.parseInt(base.mode, 8) & 0o100) !== 0;
    if (execute === had) return base.mode;
    const readers = (Number.parseInt(base.mode, 8) & 0o444) >> 2;
    return octal(execute ? Number.parseInt(base.mode, 8) | readers : Number.parseInt(base.mode, 8) & ~0o111);
  }

  async #readAgain(hash: string): Promise<Buffer> {
    const path = this.#places.get(hash);
    const bytes = path === undefined ? undefined : await readStable(this.#at(path), path);
    if (!bytes || sha256(bytes) !== hash) {
      throw new AgentError(
        'IMPORT_REFUSED',
        `${path ?? hash} changed while it was published: publish again when nobody writes to ${this.#folder}`,
      );
    }
    return bytes;
  }
}

/** A file's content at one moment: read again when it changed meanwhile. */
async function readStable(place: string, path: string): Promise<Buffer> {
  for (let attempt = 0; attempt < READS; attempt++) {
    const handle: FileHandle = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const before = await handle.stat();
      const bytes = await handle.readFile();
      const after = await handle.stat();
      if (before.size === bytes.byteLength && before.mtimeMs === after.mtimeMs && before.size === after.size)
        return bytes;
    } finally {
      await handle.close();
    }
  }
  throw new AgentError('IMPORT_REFUSED', `${path} changes while it is read: publish again when nobody writes to it`);
}

const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');

function kindOf(stats: Stats): string {
  if (stats.isSocket()) return 'socket';
  if (stats.isFIFO()) return 'fifo';
  return stats.isBlockDevice() || stats.isCharacterDevice() ? 'device' : 'thing of another kind';
}
