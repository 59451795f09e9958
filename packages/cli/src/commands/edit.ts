import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type FileEntry, liesIn, type Manifest, manifestOf, sha256 } from '@quorate/model';
import { type Latest, readManifest, type Store } from '@quorate/store';
import { Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { messageFor } from '../message.ts';
import { readingBase } from '../native-files.ts';
import { nativePath } from '../native-path.ts';
import { type PublishFlags, publishWorking, standing } from '../publishing.ts';
import { type SignFlags, signingKey } from '../signing.ts';
import { waitSeconds } from './publish.ts';

export interface EditFlags extends GlobalFlags, SignFlags, Omit<PublishFlags, 'wait' | 'sign'> {
  readonly wait?: string | true;
}

/** One native file in the editor, and what comes out of it as the next release. */
export async function edit(path: string, flags: EditFlags): Promise<number> {
  await using context = await Context.open(flags);
  const sign = await signingKey(flags);
  const store = await context.store();
  const native = nativePath(context.settings.root, path);
  const { latest, manifest, entry } = await find(store, native, context.settings.bundles);
  const { bundle, definition } = latest.release;
  const message = messageFor(bundle, flags.message, `edit ${native}`, definition);
  const before = await store.blob(entry);
  const folder = await mkdtemp(join(tmpdir(), 'quorate-edit-'));
  const copy = join(folder, basename(native));
  await writeFile(copy, before, { mode: 0o600 });
  const failed = openEditor(copy);
  const after = await readFile(copy).catch(() => undefined); // an editor may have taken the file away
  if (!after || after.equals(before)) {
    await rm(folder, { recursive: true });
    if (failed) throw failed;
    context.print({ bundle, release: latest.release.number, published: false }, () => 'nothing was changed');
    return EXIT.done;
  }
  const kept = `your edit is kept as ${copy}\n`;
  try {
    if (failed) throw failed;
    const edited: FileEntry = { ...entry, size: after.byteLength, sha256: sha256(after) };
    const working = {
      manifest: manifestOf(manifest.map((one) => (one.path === entry.path ? edited : one))),
      definition,
      read: readingBase(store, manifest, async () => after),
    };
    // whoever else changed other places of the file meanwhile is merged with: that is what an editor on a shared file cannot do
    const { wait, sign: _, ...rest } = flags;
    const options = { ...rest, message, sign, rebase: true, ...waitSeconds(wait) };
    const exit = await publishWorking(context, latest.release, working, options);
    if (exit === EXIT.done) await rm(folder, { recursive: true });
    else process.stderr.write(kept);
    return exit;
  } catch (error) {
    process.stderr.write(kept);
    throw error;
  }
}

/** The release that the fleet runs: where the head's was taken back, the one before. */
async function standingLatest(store: Store, bundle: string): Promise<Latest | undefined> {
  const latest = await store.latest(bundle);
  return latest && { ...latest, release: await standing(store, latest) };
}

/** The bundle that has a native file. */
async function find(
  store: Store,
  native: string,
  bundles: readonly string[] | undefined,
): Promise<{ latest: Latest; manifest: Manifest; entry: FileEntry }> {
  const roots: string[] = [];
  let home = 'NAME';
  for (const bundle of bundles ?? (await store.bundles())) {
    const latest = await standingLatest(store, bundle);
    if (!latest) continue;
    const { root } = latest.release.definition;
    roots.push(`${bundle} (${root})`);
    if (!liesIn(root, native)) continue;
    home = bundle;
    const manifest = await readManifest(store, latest.release);
    const entry = manifest.find(({ path }) => path === native.slice(root.length + 1));
    if (entry?.kind === 'file') return { latest, manifest, entry };
    if (entry)
      throw new CliError(
        EXIT.usage,
        `${native} is a ${entry.kind === 'directory' ? 'folder' : `symlink to ${entry.target}`}, no file`,
        entry.kind === 'directory' ? 'name a file in it' : 'name the file that it leads to',
      );
  }
  const known = roots.length > 0 ? `the bundles are ${roots.join(', ')}` : 'the store has no bundles';
  throw new CliError(
    EXIT.usage,
    `no bundle has the file ${native}: ${known}`,
    `add a new file with \`quorate publish ${home} FOLDER\``,
  );
}

/** @returns what went wrong with the editor, if anything */
function openEditor(file: string): CliError | undefined {
  const editor =
    process.env.VISUAL ||
    process.env.EDITOR ||
    ['sensible-editor', 'nano', 'vi'].find((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0);
  if (!editor) return new CliError(EXIT.usage, 'no editor was found', 'set EDITOR, for example EDITOR=nano');
  // as git does: the variable may hold flags
  const { status, signal, error } = spawnSync('/bin/sh', ['-c', `${editor} "$1"`, editor, file], { stdio: 'inherit' });
  if (!error && status === 0) return undefined;
  const how = error?.message ?? (signal ? `signal ${signal}` : `exit code ${status}`);
  return new CliError(
    EXIT.failed,
    `the editor (${editor}) ended with ${how}; nothing was published`,
    'set EDITOR to another one, or try again',
  );
}
