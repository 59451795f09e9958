import { type FileHandle, open } from 'node:fs/promises';
import {
  type AuditEntry,
  type BlobRef,
  decodeHead,
  decodeRelease,
  decodeTags,
  ModelError,
  type Release,
  type Rollout,
  sha256,
  type Tag,
} from '@quorate/model';
import { StoreError } from '../errors.ts';
import { contentsIn } from '../marking.ts';
import type { BlobSource } from '../store.ts';
import { AUDIT_FILE, BACKUP_FORMAT, type BackupOrigin, blobFile, FORMAT_FILE, headFile, INDEX_FILE } from './layout.ts';
import { damaged, type Found, scan } from './scan.ts';

/** One bundle in a backup. */
export interface BackedUpLine {
  readonly bundle: string;
  /** newest first and without gaps; the first is what the head names */
  readonly releases: readonly Release[];
  /** that of the head */
  readonly rollout?: Rollout;
  /** of releases that are there */
  readonly tags: readonly Tag[];
}

/** Told while a backup is read. In bytes. */
export type ReadProgress = (done: number, all: number) => void;

export interface ReadOptions {
  /** what messages call it; its path unless given */
  readonly name?: string;
  readonly signal?: AbortSignal;
  readonly progress?: ReadProgress;
}

/** A whole backup, every byte of which was checked, with its content at hand. */
export class Backup implements AsyncDisposable {
  /** its path, or what else it was called when it was opened */
  readonly name: string;
  readonly origin: BackupOrigin;
  readonly lines: readonly BackedUpLine[];
  /** of the list of all that counts, as `sha256sum SHA256SUMS` tells it after unpacking */
  readonly sha256: string;
  /** of the file */
  readonly size: number;
  readonly #file: FileHandle;
  readonly #blobs: ReadonlyMap<string, Found>;
  readonly #contents: ReadonlyMap<string, readonly BlobRef[]>;
  readonly #audit: Found | undefined;

  /**
   * Reads a backup from its start to its end.
   * @throws StoreError NOT_A_BACKUP, BAD_BACKUP, NEWER_FORMAT; errors of the file system as they are
   */
  static async open(path: string, options: ReadOptions = {}): Promise<Backup> {
    const file = await open(path, 'r');
    try {
      return await new Reading(options.name ?? path, file).read(options);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  constructor(name: string, file: FileHandle, found: Whole) {
    this.name = name;
    this.#file = file;
    this.origin = found.origin;
    this.lines = found.lines;
    this.sha256 = found.sha256;
    this.size = found.size;
    this.#blobs = found.blobs;
    this.#contents = found.contents;
    this.#audit = found.audit;
  }

  /** What had been done to the cluster until then, ascending; none in a backup of an older Quorate. @throws StoreError BAD_BACKUP */
  async audit(): Promise<AuditEntry[]> {
    if (!this.#audit) return [];
    const text = (await readAt(this.#file, this.name, this.#audit)).toString('utf8');
    try {
      return text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as AuditEntry);
    } catch (cause) {
      throw new StoreError('BAD_BACKUP', `${this.name}: its ${AUDIT_FILE} is no log of ours`, { cause });
    }
  }

  get releases(): number {
    return this.lines.reduce((sum, { releases }) => sum + releases.length, 0);
  }

  /** The pages and contents of releases, each once. */
  held(releases: readonly Release[]): BlobSource[] {
    const refs = new Map<string, BlobRef>();
    for (const { pages } of releases)
      for (const page of pages)
        for (const ref of [page, ...this.#contents.get(page.sha256)!]) refs.set(ref.sha256, ref);
    return [...refs.values()].map(({ sha256, size }) => ({ sha256, size, read: () => this.#read(sha256) }));
  }

  #read(hash: string): Promise<Buffer> {
    return readAt(this.#file, this.name, this.#blobs.get(hash)!);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#file.close();
  }
}

interface Whole {
  readonly origin: BackupOrigin;
  readonly lines: readonly BackedUpLine[];
  readonly sha256: string;
  readonly size: number;
  readonly blobs: ReadonlyMap<string, Found>;
  /** by the hash of a page */
  readonly contents: ReadonlyMap<string, readonly BlobRef[]>;
  readonly audit: Found | undefined;
}

/** One pass over a backup, and what it adds up to. */
class Reading {
  readonly #name: string;
  readonly #file: FileHandle;
  readonly #found = new Map<string, Found>();
  readonly #blobs = new Map<string, Found>();
  readonly #contents = new Map<string, readonly BlobRef[]>();

  constructor(name: string, file: FileHandle) {
    this.#name = name;
    this.#file = file;
  }

  async read({ signal, progress }: ReadOptions): Promise<Backup> {
    const { size } = await this.#file.stat();
    let origin: BackupOrigin | undefined;
    for await (const found of scan(this.#name, this.#file, signal)) {
      this.#found.set(found.path, found);
      origin ??= await readOrigin(this.#name, this.#file, found);
      progress?.(found.end, size);
    }
    const { listed, sha256 } = await this.#index();
    const lines = await this.#lines(listed);
    if (!origin) throw this.#bad('it is empty');
    progress?.(size, size);
    return new Backup(this.#name, this.#file, {
      origin,
      lines,
      sha256,
      size,
      blobs: this.#blobs,
      contents: this.#contents,
      audit: listed.find(({ path }) => path === AUDIT_FILE),
    });
  }

  #bad(why: string, cause?: unknown): StoreError {
    return new StoreError('BAD_BACKUP', `${this.#name} is no whole backup: ${why}`, { cause });
  }

  async #text(found: Found): Promise<Buffer> {
    return readAt(this.#file, this.#name, found);
  }

  /** Every file that counts, each as the list has it. */
  async #index(): Promise<{ listed: Found[]; sha256: string }> {
    const index = this.#found.get(INDEX_FILE);
    if (!index) throw this.#bad(`its list ${INDEX_FILE} is missing`);
    const listed: Found[] = [];
    const text = (await this.#text(index)).toString('latin1');
    for (const line of text.split('\n').slice(0, -1)) {
      const [, hash, path = ''] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? [];
      const found = this.#found.get(path);
      if (!found || found.sha256 !== hash) throw this.#bad(`${path || 'a line of its list'} is not what was written`);
      listed.push(found);
      if (found.part?.kind === 'blob') this.#blobs.set(found.sha256, found);
    }
    if (!listed.some(({ path }) => path === FORMAT_FILE)) throw this.#bad(`its list does not name ${FORMAT_FILE}`);
    return { listed, sha256: index.sha256 };
  }

  async #lines(listed: readonly Found[]): Promise<BackedUpLine[]> {
    const releases = new Map<string, Release[]>();
    for (const found of listed) {
      const { part } = found;
      if (part?.kind !== 'release') continue;
      const release = await this.#decode(found, decodeRelease);
      if (release.bundle !== part.bundle || release.number !== part.number)
        throw this.#bad(`${found.path} is release ${release.number} of ${release.bundle}`);
      await this.#checkHeld(release);
      releases.set(part.bundle, [...(releases.get(part.bundle) ?? []), release]);
    }
    const marks = new Map(
      listed.flatMap((found) => (found.part?.kind === 'tags' ? [[found.part.bundle, found] as const] : [])),
    );
    const lines: BackedUpLine[] = [];
    for (const [bundle, found] of [...releases].sort(([a], [b]) => (a < b ? -1 : 1)))
      lines.push(await this.#line(bundle, found, marks.get(bundle)));
    return lines;
  }

  async #line(bundle: string, found: readonly Release[], marks: Found | undefined): Promise<BackedUpLine> {
    const releases = found.toSorted((a, b) => b.number - a.number);
    const newest = releases[0]!;
    const place = this.#found.get(headFile(bundle));
    if (!place) throw this.#bad(`the head of ${bundle} is missing`);
    const head = await this.#decode(place, decodeHead);
    if (head.release !== newest.number || head.digest !== newest.digest)
      throw this.#bad(`the head of ${bundle} names release ${head.release}, and the newest is ${newest.number}`);
    const gap = releases.find(({ number }, at) => number !== newest.number - at);
    if (gap) throw this.#bad(`release ${gap.number + 1} of ${bundle} is missing`);
    const tags = marks ? await this.#decode(marks, decodeTags) : [];
    const kept = new Set(releases.map(({ number }) => number));
    return {
      bundle,
      releases,
      tags: tags.filter(({ release }) => kept.has(release)),
      ...(head.rollout ? { rollout: head.rollout } : {}),
    };
  }

  async #decode<T>(found: Found, decode: (bytes: Buffer) => T): Promise<T> {
    const bytes = await this.#text(found);
    try {
      return decode(bytes);
    } catch (error) {
      if (error instanceof ModelError && error.code === 'NEWER_FORMAT')
        throw new StoreError('NEWER_FORMAT', `${this.#name}: ${error.message}`, { cause: error });
      throw this.#bad(`${found.path}: ${(error as Error).message}`, error);
    }
  }

  /** All that a release needs is there. */
  async #checkHeld(release: Release): Promise<void> {
    for (const page of release.pages) {
      if (this.#contents.has(page.sha256)) continue;
      const contents = await this.#decode(this.#blob(release, page), contentsIn);
      for (const ref of contents) this.#blob(release, ref);
      this.#contents.set(page.sha256, contents);
    }
  }

  #blob({ bundle, number }: Release, ref: BlobRef): Found {
    const found = this.#blobs.get(ref.sha256);
    if (found?.size === ref.size) return found;
    throw this.#bad(`${blobFile(ref.sha256)}, which release ${number} of ${bundle} needs, is missing`);
  }
}

/** The first file of a backup. @throws StoreError NEWER_FORMAT, BAD_BACKUP */
export async function readOrigin(name: string, file: FileHandle, found: Found): Promise<BackupOrigin> {
  let origin: Partial<BackupOrigin> | null;
  try {
    origin = JSON.parse((await readAt(file, name, found)).toString('utf8')) as Partial<BackupOrigin> | null;
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw damaged(name, found.at);
  }
  const { format, backup } = origin ?? {};
  if (backup !== 'quorate' || typeof format !== 'number' || !Number.isInteger(format) || format < 1)
    throw new StoreError(
      'NOT_A_BACKUP',
      `${name} is no backup of Quorate: name a file that \`quorate ensemble backup\` wrote`,
    );
  if (format > BACKUP_FORMAT)
    throw new StoreError(
      'NEWER_FORMAT',
      `${name} has format ${format}, this Quorate knows up to ${BACKUP_FORMAT}: upgrade Quorate on this machine`,
    );
  return { format, backup, store: String(origin?.store ?? ''), time: String(origin?.time ?? '') };
}

/** @throws StoreError BAD_BACKUP when it is not as it was a moment ago */
async function readAt(file: FileHandle, name: string, { at, size, sha256: hash }: Found): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(size);
  for (let done = 0; done < size; ) {
    const { bytesRead } = await file.read(bytes, done, size - done, at + done);
    if (bytesRead === 0) throw damaged(name, at + done);
    done += bytesRead;
  }
  if (sha256(bytes) !== hash) throw damaged(name, at);
  return bytes;
}
