import { mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sha256 } from '@quorate/model';
import { snapshot } from './copy.ts';
import { besides, lstatOf } from './tree.ts';

/** Versions of one path that are kept: a program that writes the same file again and again must not fill the disk. */
const VERSIONS_MOST = 50;
/** More are not counted. */
const COUNTED = 1000;

/** Edits that had to give way to a release: each is kept, under its path, and once. */
export class Aside {
  readonly folder: string;
  /** hashes of contents that are in a release by now */
  readonly #released = new Set<string>();
  readonly #log: (line: string) => void;

  constructor(folder: string, log: (line: string) => void) {
    this.folder = folder;
    this.#log = log;
  }

  /** Content that a release has need not be kept here. */
  isReleased(hash: string): void {
    this.#released.add(hash);
  }

  /** @returns where it is kept; undefined where that loses nothing: nothing is there, or a release has it */
  keep(from: string, path: string): string | undefined {
    const content = contentAt(from);
    if (content === undefined || this.#released.has(content)) return undefined;
    const [place, versions] = this.#versions(path);
    const same = versions.find((name) => contentAt(name) === content);
    if (same !== undefined) return same;
    const fresh = this.#next(place, versions);
    snapshot(from, fresh);
    this.#log(`${from} was edited by hand; the edit is kept as ${fresh}`);
    return fresh;
  }

  /** As above, and takes it away from there. */
  take(from: string, path: string): string {
    const [place, versions] = this.#versions(path);
    const fresh = this.#next(place, versions);
    try {
      renameSync(from, fresh);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
      snapshot(from, fresh);
      rmSync(from, { recursive: true, force: true });
    }
    this.#log(`what was put in the place of ${path} is kept as ${fresh}`);
    return fresh;
  }

  /** A text that somebody has to look at: it is whole or not there. */
  write(path: string, text: string): string {
    const content = sha256(text);
    const [place, versions] = this.#versions(path);
    const same = versions.find((name) => contentAt(name) === content);
    if (same !== undefined) return same;
    const fresh = this.#next(place, versions);
    const unfinished = besides(fresh, 'new');
    writeFileSync(unfinished, text, { mode: 0o600 });
    renameSync(unfinished, fresh);
    return fresh;
  }

  /** Paths of what is kept, relative to the folder: 1000 at most. */
  list(folder = '', found: string[] = []): string[] {
    if (!lstatOf(join(this.folder, folder))?.isDirectory()) return found;
    for (const entry of readdirSync(join(this.folder, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (found.length >= COUNTED) break;
      if (entry.isDirectory()) this.list(path, found);
      else found.push(path);
    }
    return found;
  }

  /** Where a path is kept, and the versions that are there, the newest last. */
  #versions(path: string): [string, string[]] {
    const place = this.#placeOf(path);
    mkdirSync(dirname(place), { recursive: true, mode: 0o700 });
    const name = place.slice(dirname(place).length + 1);
    const numbers = readdirSync(dirname(place)).flatMap((one) => {
      if (one === name) return [1];
      const [, number] = one.startsWith(`${name}~`) ? (/^~(\d+)~$/.exec(one.slice(name.length)) ?? []) : [];
      return number === undefined ? [] : [Number(number)];
    });
    return [place, numbers.sort((a, b) => a - b).map((number) => versionOf(place, number))];
  }

  #next(place: string, versions: readonly string[]): string {
    const last = versions.at(-1);
    if (last === undefined) return place;
    for (const old of versions.slice(0, Math.max(0, versions.length + 1 - VERSIONS_MOST)))
      rmSync(old, { recursive: true, force: true });
    const number = last === place ? 1 : Number(/~(\d+)~$/.exec(last)![1]);
    return versionOf(place, number + 1);
  }

  /** Where a file is kept under the name of one of its folders, the path becomes one name. */
  #placeOf(path: string): string {
    const names = path.split('/');
    const inTheWay = names.slice(1).some((_, depth) => {
      const there = lstatOf(join(this.folder, ...names.slice(0, depth + 1)));
      return there !== undefined && !there.isDirectory();
    });
    return join(this.folder, inTheWay ? path.replaceAll('/', '%2F') : path);
  }
}

const versionOf = (place: string, number: number): string => (number === 1 ? place : `${place}~${number}~`);

/** The hash of a file, the target of a link; something of its own for each folder. */
function contentAt(place: string): string | undefined {
  const there = lstatOf(place);
  if (!there) return undefined;
  if (there.isSymbolicLink()) return `-> ${readlinkSync(place)}`;
  return there.isFile() ? sha256(readFileSync(place)) : `folder ${there.ino}`;
}
