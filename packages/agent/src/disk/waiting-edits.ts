import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  type BlobRef,
  decodeRelease,
  encodeRelease,
  ModelError,
  manifestFromPages,
  paginate,
  sha256,
} from '@quorate/model';
import type { Found } from './differences.ts';
import { replaceDurable } from './durable.ts';
import { type Edited, withContents } from './edited.ts';
import { lstatOf } from './tree.ts';

/** Edits on their way to be a release. */
export interface OfferedEdits {
  readonly edited: Edited;
  readonly edits: readonly Found[];
  /** of the edits */
  readonly digest: string;
  /** another tree has taken theirs from its place, and they are kept aside */
  readonly isGone?: true;
}

const FORMAT = 1;

/**
 * Edits that wait for the end of a rollout, on the disk: an agent that is started anew offers them as the one before would have. Each in a folder
 * named by its digest.
 */
export class WaitingEdits {
  readonly #folder: string;

  /** @param folder theirs alone */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The record is written last: what it names is there. */
  keep({ edited, edits, digest, isGone }: OfferedEdits): void {
    const at = this.#at(digest);
    mkdirSync(at.folder, { recursive: true, mode: 0o700 });
    for (const [hash, bytes] of edited.contents) replaceDurable(join(at.folder, hash), bytes, 0o600);
    if (isGone) replaceDurable(at.gone, '', 0o600);
    const base = encodeRelease(edited.base).toString('utf8');
    const pages = paginate(edited.manifest).map(({ bytes }) => bytes.toString('utf8'));
    const kept: Kept = { format: FORMAT, digest, base, pages, edits };
    replaceDurable(at.record, `${JSON.stringify(kept)}\n`, 0o600);
  }

  noteGone(digest: string): void {
    const at = this.#at(digest);
    if (lstatOf(at.record)) replaceDurable(at.gone, '', 0o600);
  }

  /**
   * @param read content of releases
   * @param tell of those that cannot be read, which are left where they are
   */
  read(read: (ref: BlobRef) => Buffer, tell: (line: string) => void): OfferedEdits[] {
    if (!lstatOf(this.#folder)) return [];
    return readdirSync(this.#folder).flatMap((digest) => {
      try {
        return this.#read(digest, read) ?? [];
      } catch (error) {
        tell(`edits that wait in ${join(this.#folder, digest)} cannot be read: ${(error as Error).message}`);
        return [];
      }
    });
  }

  #read(digest: string, read: (ref: BlobRef) => Buffer): OfferedEdits | undefined {
    const at = this.#at(digest);
    if (!lstatOf(at.record)) return undefined; // cut off before it was whole
    const { format, base, pages, edits } = JSON.parse(readFileSync(at.record, 'utf8')) as Kept;
    if (format !== FORMAT) throw new ModelError('NEWER_FORMAT', `they have format ${format}: upgrade this Quorate`);
    const release = decodeRelease(base);
    const manifest = manifestFromPages(pages.map((page) => Buffer.from(page)));
    const contents = new Map<string, Buffer>();
    for (const entry of manifest) {
      const place = entry.kind === 'file' ? join(at.folder, entry.sha256) : undefined;
      if (place === undefined || !lstatOf(place)) continue; // the release has it
      const bytes = readFileSync(place);
      const hash = sha256(bytes);
      if (!place.endsWith(hash)) throw new ModelError('BAD_RECORD', `${entry.path} was changed there`);
      contents.set(hash, bytes);
    }
    const edited = withContents({ base: release, manifest, contents }, read);
    return { edited, edits, digest, ...(lstatOf(at.gone) ? { isGone: true } : {}) };
  }

  forget(digest: string): void {
    const { record, folder } = this.#at(digest);
    rmSync(record, { force: true });
    rmSync(folder, { recursive: true, force: true });
  }

  #at(digest: string): { readonly folder: string; readonly record: string; readonly gone: string } {
    const folder = join(this.#folder, digest);
    return { folder, record: join(folder, 'edits.json'), gone: join(folder, 'gone') };
  }
}

interface Kept {
  readonly format: number;
  readonly digest: string;
  readonly base: string;
  readonly pages: readonly string[];
  readonly edits: readonly Found[];
}
