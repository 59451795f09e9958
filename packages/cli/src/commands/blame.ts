import type { FileEntry, Manifest, Release } from '@quorate/model';
import { blameLines, linesOf, textOf } from '@quorate/model/text';
import { readManifest, type Store } from '@quorate/store';
import { Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { namedRelease } from '../named-release.ts';
import { localTime } from '../output/release.ts';
import { paint } from '../output/style.ts';
import { table } from '../output/table.ts';

export interface BlameFlags extends GlobalFlags {
  readonly release?: string;
}

/** A file as one release of the line had it. */
interface Version {
  readonly release: Release;
  readonly path: string;
  readonly file: FileEntry;
}

/** Which release brought in each line of a file, by whom and why. */
export async function blame(bundle: string, path: string, flags: BlameFlags): Promise<number> {
  await using context = await Context.open(flags);
  const store = await context.store();
  const release = await namedRelease(store, bundle, '--release', flags.release ?? 'head');
  const file = fileIn(release, await readManifest(store, release), path);
  const { versions, cut } = await versionsOf(store, { release, path, file });
  const texts: string[] = [];
  for (const version of versions) {
    const text = textOf(await store.blob(version.file));
    if (text !== undefined) texts.push(text);
    else if (version === versions.at(-1)) throw binary(release, path, versions);
    else texts.length = 0; // lines begin with the first version after it that is text
  }
  const known = versions.slice(-texts.length);
  const lines = linesOf(texts.at(-1)!);
  const rows = blameLines(texts).map((from, at) => ({ version: known[from]!, line: at + 1, text: lines[at]! }));
  const oldest = cut ? versions[0]!.release.number : 0;
  context.print(
    rows.map(({ version: { release: by, path: was }, line, text }) => ({
      line,
      text,
      release: by.number,
      author: by.author,
      time: by.time,
      message: by.message,
      path: was,
      ...(by.number === oldest ? { orEarlier: true } : {}),
    })),
    () => blameTable(rows, path, oldest),
  );
  return EXIT.done;
}

function fileIn({ number, bundle }: Release, manifest: Manifest, path: string): FileEntry {
  const entry = manifest.find((one) => one.path === path);
  const list = `\`quorate show ${bundle} ${number}\` lists what it has`;
  if (!entry) throw new CliError(EXIT.failed, `release ${number} of ${bundle} has no ${path}`, list);
  if (entry.kind === 'directory') throw new CliError(EXIT.usage, `${path} is a folder`, list);
  if (entry.kind === 'symlink')
    throw new CliError(EXIT.failed, `${path} is a symlink to ${entry.target}: it has no lines`, list);
  return entry;
}

function binary({ number, bundle }: Release, path: string, versions: readonly Version[]): CliError {
  const made = versions.map((version) => version.release.number).join(', ');
  return new CliError(
    EXIT.failed,
    `${path} in release ${number} of ${bundle} is binary: it has no lines`,
    `releases that changed it: ${made}`,
  );
}

/**
 * The different contents that a file had up to a release, oldest first, through renames that left the content as it was. What a rollback brought
 * back was brought in by the release that it came from.
 * @returns `cut`: whether the file was there already in the oldest release that is kept
 */
async function versionsOf(store: Store, last: Version): Promise<{ versions: Version[]; cut: boolean }> {
  const line = new Line(store, last.release.bundle, (await store.releases(last.release.bundle))[0] ?? 1);
  const versions = [last];
  let at = last;
  for (;;) {
    const before = await line.before(at.release);
    if (!before) return { versions: versions.reverse(), cut: at.release.number > 1 };
    const manifest = await line.manifest(before);
    const found = await trace(line, at, manifest);
    if (!found) return { versions: versions.reverse(), cut: false };
    const version = { release: before, ...found };
    if (found.file.sha256 === at.file.sha256) versions.pop(); // an older release has had it already
    versions.push(version);
    at = version;
  }
}

/** The file in the release before: under its own name, or under one that went away as this one came with the same content. */
async function trace(line: Line, at: Version, before: Manifest): Promise<Omit<Version, 'release'> | undefined> {
  const same = before.find(({ path }) => path === at.path);
  if (same?.kind === 'file') return { path: at.path, file: same };
  if (same) return undefined; // it was a folder or a link
  const here = new Set((await line.manifest(at.release)).map(({ path }) => path));
  const moved = before.find(
    (entry): entry is FileEntry => entry.kind === 'file' && entry.sha256 === at.file.sha256 && !here.has(entry.path),
  );
  return moved && { path: moved.path, file: moved };
}

/** Releases that are read at once, ahead of the one that is looked at. */
const AHEAD = 32;

/** A bundle's line, read backwards. */
class Line {
  readonly #store: Store;
  readonly #bundle: string;
  readonly #oldest: number;
  readonly #read = new Map<number, Promise<{ release: Release; manifest: Manifest } | undefined>>();

  constructor(store: Store, bundle: string, oldest: number) {
    this.#store = store;
    this.#bundle = bundle;
    this.#oldest = oldest;
  }

  /** The release that this one's content was made from. */
  async before({ number, rollbackOf }: Release): Promise<Release | undefined> {
    const origin = rollbackOf !== undefined && rollbackOf < number ? await this.#at(rollbackOf) : undefined;
    return (origin ?? (await this.#at(number - 1)))?.release;
  }

  async manifest({ number }: Release): Promise<Manifest> {
    return (await this.#at(number))?.manifest ?? [];
  }

  #at(number: number): Promise<{ release: Release; manifest: Manifest } | undefined> {
    if (!this.#read.has(number)) {
      for (let n = number; n > number - AHEAD && n >= this.#oldest && !this.#read.has(n); n--) {
        const reading = this.#fetch(n);
        reading.catch(() => undefined); // told to whoever asks for it
        this.#read.set(n, reading);
      }
    }
    return this.#read.get(number) ?? Promise.resolve(undefined);
  }

  async #fetch(number: number): Promise<{ release: Release; manifest: Manifest } | undefined> {
    const release = await this.#store.release(this.#bundle, number);
    return release && { release, manifest: await readManifest(this.#store, release) };
  }
}

interface Row {
  readonly version: Version;
  readonly line: number;
  readonly text: string;
}

/** Characters of a message that a line has room for. */
const MESSAGE_MOST = 32;

/** Who and why stand where a run of lines of one release begins. */
function blameTable(rows: readonly Row[], path: string, oldest: number): string {
  const shown = rows.map(({ version: { release, path: was }, line, text }, at) => {
    const begins = at === 0 || rows[at - 1]!.version.release.number !== release.number;
    const [first = ''] = release.message.split('\n');
    const why = first.length > MESSAGE_MOST ? `${first.slice(0, MESSAGE_MOST - 1)}…` : first;
    const number = release.number === oldest ? `≤${oldest}` : String(release.number);
    const who = begins ? [number, release.author, localTime(release.time), why] : ['', '', '', ''];
    return [
      ...who,
      paint('dim', String(line)),
      was === path || !begins ? text : `${text}  ${paint('dim', `(${was})`)}`,
    ];
  });
  const note =
    oldest > 0 && rows.some(({ version }) => version.release.number === oldest)
      ? `\n≤${oldest}: of that release or an older one, which is not kept`
      : '';
  return rows.length === 0
    ? `${path} is empty`
    : `${table(['release', 'author', 'when', 'message', 'line', 'text'], shown)}${note}`;
}
