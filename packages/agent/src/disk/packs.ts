import { closeSync, mkdirSync, openSync, readdirSync, readSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type BlobRef, decodeRelease, type Release, sha256 } from '@quorate/model';
import { AgentError } from '../errors.ts';
import type { Rendered } from '../templates/index.ts';
import { writeDurable } from './durable.ts';
import type { TreeName } from './paths.ts';

/** What must survive a power loss, of one apply: records and contents in one file, written and synced once. */
interface PackHeader {
  readonly format: 1;
  readonly releases: readonly PackedRelease[];
  /** contents in the order in which their bytes follow the header */
  readonly blobs: readonly BlobRef[];
}

/** A release and the tree that it is staged as. */
export interface PackedRelease {
  readonly tree: TreeName;
  readonly release: Release;
  /** where the tree is not the release's manifest as it was published */
  readonly rendered?: Rendered;
}

interface Place {
  readonly pack: string;
  readonly offset: number;
  readonly size: number;
}

/** Packs that may pile up before the next apply writes one that holds all and the others go. */
const PACKS_MOST = 8;
const NAME = /^(\d+)\.pack$/;

/**
 * The local content of a bundle: packs, each written once. A later pack holds only what the earlier ones do not.
 * Content is checked against its hash whenever it is read.
 */
export class Packs {
  readonly #folder: string;
  readonly #places = new Map<string, Place>();
  /** the newest comes last */
  readonly #releases = new Map<TreeName, PackedRelease>();
  readonly #looking: boolean;
  #sequence = 0;
  #packs: string[] = [];

  /** @param looking only to read, beside an agent that writes */
  constructor(folder: string, { looking = false } = {}) {
    this.#folder = folder;
    this.#looking = looking;
    if (!looking) mkdirSync(folder, { recursive: true, mode: 0o700 });
    const numbers = readdirSync(folder).map((name) => Number(NAME.exec(name)?.[1] ?? Number.NaN));
    for (const number of numbers.filter((number) => !Number.isNaN(number)).sort((a, b) => a - b)) this.#load(number);
  }

  has(ref: BlobRef): boolean {
    return this.#places.get(ref.sha256)?.size === ref.size;
  }

  /** The trees whose content is here, the newest last. */
  get trees(): TreeName[] {
    return [...this.#releases.keys()];
  }

  release(tree: TreeName): Release | undefined {
    return this.#releases.get(tree)?.release;
  }

  /** How a tree was rendered; undefined where it was not. */
  rendered(tree: TreeName): Rendered | undefined {
    return this.#releases.get(tree)?.rendered;
  }

  /** @throws AgentError CORRUPT */
  read(ref: BlobRef): Buffer {
    const place = this.#places.get(ref.sha256);
    if (!place) throw new AgentError('CORRUPT', `the content ${ref.sha256} is not in ${this.#folder}`);
    const bytes = readAt(join(this.#folder, place.pack), place.offset, place.size);
    if (sha256(bytes) !== ref.sha256)
      throw new AgentError('CORRUPT', `${join(this.#folder, place.pack)} is damaged at byte ${place.offset}`);
    return bytes;
  }

  /**
   * Makes a release and its content durable.
   * @param blobs what no pack has yet
   * @param others releases, with all that they need, that must stay when there are too many packs and the older ones go
   */
  add(
    added: PackedRelease & { readonly refs: readonly BlobRef[] },
    blobs: ReadonlyMap<string, Buffer>,
    others: () => readonly (PackedRelease & { readonly refs: readonly BlobRef[] })[],
  ): void {
    if (this.#packs.length < PACKS_MOST) {
      this.#write([added], blobs);
      return;
    }
    const keep = [...others(), added];
    const old = [...this.#packs];
    const all = new Map(blobs);
    for (const { refs } of keep) for (const ref of refs) if (!all.has(ref.sha256)) all.set(ref.sha256, this.read(ref));
    this.#releases.clear();
    this.#write(keep, all);
    this.#packs = this.#packs.filter((name) => !old.includes(name));
    for (const name of old) rmSync(join(this.#folder, name));
    for (const [hash, place] of this.#places) if (old.includes(place.pack)) this.#places.delete(hash);
  }

  #write(packed: readonly PackedRelease[], blobs: ReadonlyMap<string, Buffer>): void {
    const refs = [...blobs].map(([hash, bytes]) => ({ sha256: hash, size: bytes.byteLength }));
    const releases = packed.map(({ tree, release, rendered }) => ({
      tree,
      release,
      ...(rendered ? { rendered } : {}),
    }));
    const header: PackHeader = { format: 1, releases, blobs: refs };
    const head = Buffer.from(JSON.stringify(header));
    // the header's length, its hash, the header, then the contents
    const prefix = Buffer.from(`QPACK1 ${String(head.byteLength).padStart(10, '0')} ${sha256(head)}\n`);
    const name = `${++this.#sequence}.pack`;
    const path = join(this.#folder, name);
    rmSync(path, { force: true });
    try {
      writeDurable(path, [prefix, head, ...blobs.values()], 0o600);
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    }
    this.#index(name, header, prefix.byteLength + head.byteLength);
  }

  #index(name: string, { releases, blobs }: PackHeader, start: number): void {
    let offset = start;
    for (const { sha256, size } of blobs) {
      this.#places.set(sha256, { pack: name, offset, size });
      offset += size;
    }
    for (const packed of releases) {
      this.#releases.delete(packed.tree);
      this.#releases.set(packed.tree, packed);
    }
    this.#packs.push(name);
  }

  /** A pack that a crash left unfinished was never relied upon: it goes. */
  #load(number: number): void {
    const name = `${number}.pack`;
    const path = join(this.#folder, name);
    this.#sequence = Math.max(this.#sequence, number);
    const read = readHeader(path);
    if (read) this.#index(name, read.header, read.end);
    else if (!this.#looking) rmSync(path);
  }
}

const PREFIX = 'QPACK1 '.length + 10 + 1 + 64 + 1;

function readHeader(path: string): { header: PackHeader; end: number } | undefined {
  const { size } = statSync(path);
  if (size < PREFIX) return undefined;
  const [magic, length, hash] = readAt(path, 0, PREFIX).toString('latin1').trimEnd().split(' ');
  const end = PREFIX + Number(length);
  if (/^QPACK\d+$/.test(magic!) && magic !== 'QPACK1')
    throw new AgentError('FAILED', `${path} was written by a newer Quorate (${magic}): upgrade this one`);
  if (magic !== 'QPACK1' || !(end <= size)) return undefined;
  const head = readAt(path, PREFIX, Number(length));
  if (sha256(head) !== hash) return undefined;
  const header = JSON.parse(head.toString('utf8')) as PackHeader;
  const bytes = header.blobs.reduce((sum, blob) => sum + blob.size, 0);
  if (end + bytes !== size) return undefined;
  return {
    header: { ...header, releases: header.releases.map(decodePacked) },
    end,
  };
}

function decodePacked({ release, ...rest }: PackedRelease): PackedRelease {
  return { ...rest, release: decodeRelease(JSON.stringify(release)) };
}

function readAt(path: string, offset: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  const fd = openSync(path, 'r');
  try {
    for (let at = 0; at < size; ) {
      const read = readSync(fd, bytes, at, size - at, offset + at);
      if (read === 0) throw new AgentError('CORRUPT', `${path} ends early`);
      at += read;
    }
  } finally {
    closeSync(fd);
  }
  return bytes;
}
