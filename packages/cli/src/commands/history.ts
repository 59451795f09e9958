import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { scanTree } from '@quorate/agent';
import { type Entry, isAsSigned, type Manifest, nativeEntries, type Release, storyOf } from '@quorate/model';
import { textOf } from '@quorate/model/text';
import { mustLatest, mustRelease, readManifest, rollback as rollbackTo, type Store } from '@quorate/store';
import { authorOf, Context, type GlobalFlags, nothing, releaseSide, wholeNumber } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { messageFor } from '../message.ts';
import { namedRelease } from '../named-release.ts';
import { readingBase, unrendered } from '../native-files.ts';
import { confirm } from '../output/ask.ts';
import { type DiffSide, renderDiff, summarize } from '../output/diff.ts';
import { localTime, RELEASE_COLUMNS, releaseRow } from '../output/release.ts';
import { describeOutcome } from '../output/rollout.ts';
import { paint } from '../output/style.ts';
import { table } from '../output/table.ts';
import { announce, nothingToPublish, type RolloutFlags, wishOf } from '../publishing.ts';
import { type SignFlags, signingKey } from '../signing.ts';
import { writeTree } from '../tree.ts';
import { Vote, type VoteFlags } from '../voting.ts';
import { waitSeconds, writeCheckout } from './publish.ts';

export interface HistoryFlags extends GlobalFlags {
  readonly number?: string;
}

/** Releases, newest first. */
export async function history(bundle: string, flags: HistoryFlags): Promise<number> {
  await using context = await Context.open(flags);
  const store = await context.store();
  await mustLatest(store, bundle);
  const most = flags.number === undefined ? 20 : wholeNumber('-n', flags.number);
  const numbers = (await store.releases(bundle)).slice(-most).reverse();
  const found = await Promise.all(numbers.map((number) => store.release(bundle, number)));
  const releases = found.filter((release) => release !== undefined);
  const [{ head }, { tags }] = await Promise.all([mustLatest(store, bundle), store.tags(bundle)]);
  const stories = [
    ...releases.flatMap(({ before }) => before ?? []),
    ...(head.rollout ? [storyOf(head.release, head.rollout)] : []),
  ];
  const outcomes = new Map(stories.map((story) => [story.release, describeOutcome(story)]));
  const rows = (): string[][] =>
    releases.map((release) => {
      const names = tags.filter((tag) => tag.release === release.number).map(({ name }) => name);
      return releaseRow(release, { outcome: outcomes.get(release.number), tags: names });
    });
  context.print(releases, () => table(RELEASE_COLUMNS, rows()));
  return EXIT.done;
}

export interface ShowFlags extends GlobalFlags {
  readonly to?: string;
}

/** A release, one file of it, or all of it as a folder. `what` is `[RELEASE][:PATH]`. */
export async function show(bundle: string, what: string | undefined, flags: ShowFlags): Promise<number> {
  await using context = await Context.open(flags);
  const store = await context.store();
  const [numberText, path] = splitOnce(what ?? '', ':');
  const release =
    numberText === ''
      ? (await mustLatest(store, bundle)).release
      : await namedRelease(store, bundle, 'a release', numberText);
  const manifest = await readManifest(store, release);
  if (path !== undefined && flags.to !== undefined)
    throw new CliError(EXIT.usage, '--to writes a whole release, not one file', 'leave out either the path or --to');
  if (path !== undefined) return await showFile(context, release, manifest, path);
  if (flags.to !== undefined) {
    await checkOut(store, release, manifest, flags.to);
    context.print(
      { bundle, release: release.number, folder: flags.to },
      () =>
        `${bundle} release ${release.number} is in ${flags.to}; after your changes: quorate publish ${bundle} ${flags.to}`,
    );
    return EXIT.done;
  }
  context.print(
    { ...release, manifest },
    () => `${describeRelease(release)}\n\n${table(['mode', 'owner', 'size', 'path'], manifest.map(describeEntry))}`,
  );
  return EXIT.done;
}

function splitOnce(text: string, by: string): [string, string | undefined] {
  const at = text.indexOf(by);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + by.length)];
}

async function showFile(context: Context, release: Release, manifest: Manifest, path: string): Promise<number> {
  const entry = manifest.find((one) => one.path === path);
  const list = `\`quorate show ${release.bundle} ${release.number}\` lists what it has`;
  if (path === '') throw new CliError(EXIT.usage, 'the path after the colon is missing', list);
  if (!entry) throw new CliError(EXIT.failed, `release ${release.number} of ${release.bundle} has no ${path}`, list);
  if (entry.kind === 'directory') throw new CliError(EXIT.usage, `${path} is a folder`, list);
  const bytes = entry.kind === 'file' ? await (await context.store()).blob(entry) : Buffer.from(`-> ${entry.target}\n`);
  if (!context.json) process.stdout.write(bytes);
  else context.print({ ...entry, ...(entry.kind === 'file' ? content(bytes) : {}) }, () => '');
  return EXIT.done;
}

/** Bytes for JSON. */
function content(bytes: Buffer): { text: string } | { base64: string } {
  const text = textOf(bytes);
  return text === undefined ? { base64: bytes.toString('base64') } : { text };
}

function describeRelease(release: Release): string {
  const { definition } = release;
  const hook = (name: 'validate' | 'reload' | 'health'): string[] =>
    definition[name] ? [`${name.padEnd(8)} ${definition[name].command}`] : [];
  return [
    `${paint('bold', `${release.bundle} release ${release.number}`)}  ${release.digest.slice(0, 16)}`,
    `author   ${release.author}`,
    `when     ${localTime(release.time)} by the publisher's clock`,
    `message  ${release.message.replace(/\n/g, '\n         ')}`,
    ...describeSignature(release),
    ...(release.rollbackOf === undefined ? [] : [`content  of release ${release.rollbackOf}`]),
    `root     ${definition.root}, link: ${definition.link}`,
    ...hook('validate'),
    ...hook('reload'),
    ...hook('health'),
  ].join('\n');
}

/** The command trusts nobody: whether the key counts is for each instance to say. */
function describeSignature(release: Release): string[] {
  if (!release.signature) return [];
  const wrong = isAsSigned(release) ? '' : paint('red', ', but it is not as it was signed');
  return [`signed   by ${release.signature.key}${wrong}`];
}

function describeEntry(entry: Entry): string[] {
  const owner = `${entry.owner}:${entry.group}`;
  if (entry.kind === 'file') return [entry.mode, owner, String(entry.size), entry.path];
  return entry.kind === 'directory'
    ? [entry.mode, owner, '', `${entry.path}/`]
    : ['', owner, '', `${entry.path} -> ${entry.target}`];
}

/** A release as an ordinary folder that `publish` takes again. */
async function checkOut(store: Store, release: Release, manifest: readonly Entry[], folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0)
    throw new CliError(EXIT.failed, `${folder} is not empty`, 'name a new folder: nothing is overwritten');
  await writeTree(folder, manifest, (entry) => store.blob(entry));
  await writeCheckout(folder, release);
}

/** `A..B`, or `A` against the head; either may be `native`: the files on this machine. */
export async function diff(
  bundle: string,
  range: string,
  path: string | undefined,
  flags: GlobalFlags,
): Promise<number> {
  await using context = await Context.open(flags);
  const store = await context.store();
  const head = (await mustLatest(store, bundle)).release;
  const [a, b] = splitOnce(range, '..');
  const before = await side(context, store, head, a);
  const after = await side(context, store, head, b === undefined || b === '' ? String(head.number) : b);
  if (path !== undefined && ![before, after].some(({ manifest }) => has(manifest, path)))
    throw new CliError(
      EXIT.failed,
      `neither ${before.name} nor ${after.name} of ${bundle} has ${path}`,
      'paths are relative to the root of the bundle; `quorate show` lists them',
    );
  const text = await renderDiff(before, after, path);
  context.print(
    { from: before.name, to: after.name, summary: summarize(before.manifest, after.manifest), diff: text },
    () => text,
  );
  return EXIT.done;
}

function has(manifest: Manifest, path: string): boolean {
  return manifest.some((entry) => entry.path === path || entry.path.startsWith(`${path}/`));
}

async function side(context: Context, store: Store, head: Release, name: string): Promise<DiffSide> {
  if (name === '0') return nothing;
  if (name !== 'native') return releaseSide(store, await namedRelease(store, head.bundle, 'a release', name));
  const { definition } = head;
  const { root } = context.settings;
  const manifest = await readManifest(store, head);
  const only =
    definition.link === 'directory'
      ? {}
      : { only: nativeEntries(manifest).flatMap(({ kind, path }) => (kind === 'directory' ? [] : [path])) };
  const scanned = await scanTree(join(root, definition.root), { definition, owners: 'native', root, ...only });
  const files = unrendered(context, head.bundle, manifest, scanned.manifest);
  for (const path of files.edited) console.error(`! ${path} is rendered here and was edited by hand since`);
  const read = readingBase(store, manifest, scanned.read);
  return { name: 'native', manifest: files.manifest, definition, read: (file) => read(file.sha256) };
}

export interface RollbackFlags extends GlobalFlags, SignFlags, VoteFlags, RolloutFlags {
  readonly to?: string;
  readonly message?: string;
  readonly author?: string;
  readonly wait?: string | true;
}

/** What an older release held becomes a new release. */
export async function rollback(bundle: string, flags: RollbackFlags): Promise<number> {
  await using context = await Context.open(flags);
  const { wait } = waitSeconds(flags.wait);
  const store = await context.store();
  const sign = await signingKey(flags);
  const vote = new Vote(context, store, flags, wait !== undefined);
  const base = await mustLatest(store, bundle);
  const named = flags.to === undefined ? undefined : await namedRelease(store, bundle, '--to', flags.to);
  const to = named?.number ?? base.release.number - 1;
  if (to < 1)
    throw new CliError(
      EXIT.failed,
      `${bundle} is at its first release: there is nothing to go back to`,
      `\`quorate unmanage ${bundle} --original\` brings back what was there before Quorate, on one machine`,
    );
  const old = named ?? (await mustRelease(store, bundle, to));
  const definitions = [base.release.definition, old.definition];
  const message = messageFor(bundle, flags.message, `rollback to release ${to}`, ...definitions);
  const [before, after] = [await releaseSide(store, base.release), await releaseSide(store, old)];
  const text = await renderDiff(before, after);
  if (text === '') return nothingToPublish(context, store, base.release);
  if (!context.json) process.stdout.write(`${text}\n`);
  if (!(await confirm(`Bring back release ${to} of ${bundle} as release ${base.release.number + 1}?`, context.yes))) {
    context.say('nothing was published');
    return EXIT.failed;
  }
  const what = { bundle, to, author: authorOf(flags.author), message, base, rollout: wishOf(flags) };
  const latest = await vote.decide(bundle, (options) => rollbackTo(store, what, { ...options, sign }));
  return await announce(context, store, latest, vote, wait);
}
