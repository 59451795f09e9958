import { readlinkSync } from 'node:fs';
import { lstat, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { managedBundles, readStatus, type Scanned, scanTree } from '@quorate/agent';
import { type BundleDefinition, definitionOf, nativeEntries, type Release, withOwnFiles } from '@quorate/model';
import { readManifest } from '@quorate/store';
import { ciJob, originLines } from '../ci.ts';
import { Context, type GlobalFlags, wholeNumber } from '../context.ts';
import { readDefinition } from '../definition.ts';
import { CliError, EXIT } from '../exit.ts';
import { namedRelease } from '../named-release.ts';
import { mustBeRendered, readingBase, unrendered } from '../native-files.ts';
import { baseRelease, type PublishFlags, publishWorking, type Working } from '../publishing.ts';
import { type SignFlags, signingKey } from '../signing.ts';
import { WAIT_SECONDS } from '../waiting.ts';

export interface PublishCommandFlags extends GlobalFlags, SignFlags, Omit<PublishFlags, 'wait' | 'sign'> {
  readonly base?: string;
  readonly commit?: string;
  readonly definition?: string;
  readonly attributes?: 'folder' | 'base';
  readonly wait?: string | true;
}

/** What `show --to` leaves in a folder, so that a later publish knows what it was made from. */
interface Checkout {
  readonly bundle: string;
  readonly base: number;
}

export function waitSeconds(flag: string | true | undefined): { wait?: number } {
  if (flag === undefined) return {};
  return { wait: flag === true ? WAIT_SECONDS : wholeNumber('--wait', flag) };
}

export async function publish(bundle: string, folder: string | undefined, flags: PublishCommandFlags): Promise<number> {
  await using context = await Context.open(flags);
  const wait = waitSeconds(flags.wait);
  const sign = await signingKey(flags);
  const { base, working, isCheckout } = await workingSet(context, bundle, folder, flags);
  const settle = (release: Release): Promise<void> => writeCheckout(folder!, release);
  const { wait: _, sign: _given, commit, ...rest } = flags;
  const job = ciJob();
  const message = flags.message ?? job.title;
  const origin = originLines(commit, job);
  const options = { ...rest, ...(message === undefined ? {} : { message }), origin, sign, ...wait };
  return await publishWorking(context, base, { ...working, ...(isCheckout ? { settle } : {}) }, options);
}

export type WorkingFlags = Pick<PublishCommandFlags, 'base' | 'definition' | 'attributes'>;

/** What somebody wants to be the next release, and what it was made from: a folder, or the native files as they are here. */
export async function workingSet(
  context: Context,
  bundle: string,
  folder: string | undefined,
  flags: WorkingFlags,
): Promise<{ base: Release; working: Working; isCheckout: boolean }> {
  const checkout = folder === undefined ? undefined : await readCheckout(folder, bundle);
  const store = await context.store();
  const asked = flags.base === undefined ? undefined : (await namedRelease(store, bundle, '--base', flags.base)).number;
  const base = await baseRelease(
    store,
    bundle,
    asked ?? (folder === undefined ? await appliedHere(context, bundle) : checkout?.base),
  );
  const definition = flags.definition === undefined ? base.definition : await readDefinition(flags.definition);
  const working =
    folder === undefined
      ? await nativeFiles(context, definition, base)
      : await folderFiles(context, folder, definition, base, flags);
  return { base, working, isCheckout: checkout !== undefined };
}

const CHECKOUT = '.quorate.json';

/** Notes in a folder which release it holds. */
export async function writeCheckout(folder: string, { bundle, number }: Release): Promise<void> {
  const checkout: Checkout = { bundle, base: number };
  await writeFile(join(folder, CHECKOUT), `${JSON.stringify(checkout)}\n`);
}

/** @returns undefined for an ordinary folder */
async function readCheckout(folder: string, bundle: string): Promise<Checkout | undefined> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory())
    throw new CliError(
      EXIT.usage,
      `${folder} is no folder`,
      'name the folder that holds the files of the bundle, as they lie below its root',
    );
  const path = join(folder, CHECKOUT);
  const text = await readFile(path, 'utf8').catch(() => undefined); // an ordinary folder
  if (text === undefined) return undefined;
  const checkout = parseCheckout(text);
  if (!checkout)
    throw new CliError(EXIT.failed, `${path} is not as Quorate wrote it`, 'remove it, and name the release by --base');
  if (checkout.bundle !== bundle)
    throw new CliError(
      EXIT.usage,
      `${folder} was taken from the bundle ${checkout.bundle}, not ${bundle}`,
      `publish it as ${checkout.bundle}, or remove ${CHECKOUT} there`,
    );
  return checkout;
}

function parseCheckout(text: string): Checkout | undefined {
  try {
    const { bundle, base } = JSON.parse(text) as Partial<Checkout>;
    return typeof bundle === 'string' && Number.isSafeInteger(base) ? { bundle, base: base! } : undefined;
  } catch {
    // not JSON: not ours as it is
    return undefined;
  }
}

/** Files edited in place build on what is applied here, which need not be the head. */
async function appliedHere({ settings: { state } }: Context, bundle: string): Promise<number> {
  const managed = await managedBundles(state).catch((): string[] => []); // no state folder: nothing is managed
  const applied = managed.includes(bundle) ? (await readStatus(state))?.instance.bundles[bundle]?.applied : undefined;
  if (applied) return applied;
  throw new CliError(
    EXIT.failed,
    `no release of ${bundle} is applied on this machine`,
    `name the folder that holds its files: quorate publish ${bundle} FOLDER`,
  );
}

/** The native files as they are now. A native file that still is our link counts as what it leads to, one put there by hand as itself. */
async function nativeFiles(context: Context, definition: BundleDefinition, base: Release): Promise<Working> {
  const { root, state } = context.settings;
  const native = join(root, definition.root);
  const options = { definition, owners: 'native', root } as const;
  const store = await context.store();
  const manifest = await readManifest(store, base);
  const working = ({ manifest: found, read }: Scanned): Working => {
    const files = unrendered(context, base.bundle, manifest, found);
    mustBeRendered(files, definition.root);
    return { manifest: files.manifest, definition, read: readingBase(store, manifest, read) };
  };
  if (definition.link === 'directory') return working(await scanTree(native, options));
  const managed = nativeEntries(manifest).flatMap(({ kind, path }) => (kind === 'directory' ? [] : [path]));
  const only: string[] = [];
  for (const path of managed) if (await lstat(join(native, path)).catch(() => undefined)) only.push(path); // removed by hand: removed
  const staged = join(state, base.bundle, 'current');
  const place = (path: string): string =>
    linkText(join(native, path))?.includes(`/${base.bundle}/current/`) ? join(staged, path) : join(native, path);
  return working(await scanTree(native, { ...options, only, place }));
}

function linkText(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // no link: a file of its own
    return undefined;
  }
}

async function folderFiles(
  context: Context,
  folder: string,
  definition: BundleDefinition,
  base: Release,
  flags: WorkingFlags,
): Promise<Working> {
  const store = await context.store();
  const manifest = await readManifest(store, base);
  const owners = flags.attributes === 'folder' ? 'native' : { base: manifest };
  const scanned = await scanTree(folder, { definition: definitionOf(definition), owners });
  const files = withOwnFiles(manifest, scanned.manifest);
  return { manifest: files, definition, read: readingBase(store, manifest, scanned.read) };
}
