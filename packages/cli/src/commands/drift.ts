import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  bundlePlace,
  type DriftHere,
  driftHere,
  editsAt,
  type Found,
  isLocked,
  lockState,
  managedBundles,
  openBundle,
  RESTORE_ASKED,
} from '@quorate/agent';
import { checkBundleName, DEFAULT_DRIFT, type FileEntry, isAdoptable, liesIn, type Manifest } from '@quorate/model';
import { Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { nativePath } from '../native-path.ts';
import { confirm } from '../output/ask.ts';
import { renderDiff } from '../output/diff.ts';
import { paint } from '../output/style.ts';
import { type PublishFlags, publishWorking } from '../publishing.ts';
import { type SignFlags, signingKey } from '../signing.ts';
import { waitSeconds } from './publish.ts';

/** ms until the agent here has put back what it was asked for: reload and health commands take their time. */
const RESTORED_WITHIN_MS = 120_000;

/** What differs on this machine from the releases that are applied here. */
export async function showDrift(bundle: string | undefined, flags: GlobalFlags): Promise<number> {
  await using context = await Context.open(flags);
  const names = bundle === undefined ? await managedHere(context) : [bundle];
  const found: { name: string; drift: DriftHere; diff: string }[] = [];
  for (const name of names) {
    const drift = await driftOf(context, name, bundle !== undefined);
    if (drift) found.push({ name, drift, diff: await diffOf(drift) });
  }
  context.print(
    found.map(({ name, drift, diff }) => ({ bundle: name, ...forPrograms(drift), diff })),
    () => found.map(({ name, drift, diff }) => describe(name, drift, diff)).join('\n\n') || 'no bundles yet',
  );
  return EXIT.done;
}

/**
 * Puts back what the applied release has; edits are kept aside. By the agent that runs here, else right now.
 * @param named files or folders, in the bundle or native; all unless given
 */
export async function restoreDrift(bundle: string, named: readonly string[], flags: GlobalFlags): Promise<number> {
  await using context = await Context.open(flags);
  const drift = (await driftOf(context, bundle, true))!;
  const { number, definition } = drift.release;
  const paths = named.map((path) => pathIn(context, definition.root, path));
  const edits = editsAt(drift.edits, paths);
  const unedited = paths.filter((path) => editsAt(drift.edits, [path]).length === 0);
  if (edits.length === 0 || unedited.length > 0) {
    if (unedited.length > 0 && drift.edits.length > 0)
      throw new CliError(
        EXIT.failed,
        `${unedited.join(', ')} of ${bundle} ${unedited.length === 1 ? 'is' : 'are'} not edited here; nothing was put back`,
        `what is: ${drift.edits.map(({ path }) => path).join(', ')}`,
      );
    context.print(
      { bundle, release: number, restored: [] },
      () => `nothing to put back: ${bundle} is as release ${number} has it`,
    );
    return EXIT.done;
  }
  context.say(listed(edits));
  if (
    !(await confirm(`Put back what release ${number} of ${bundle} has? Edits are kept in ${drift.aside}.`, context.yes))
  ) {
    context.say('nothing was changed');
    return EXIT.failed;
  }
  const fault = (await isLocked(context.settings.state))
    ? await byAgent(context, bundle, paths)
    : await rightNow(context, bundle, paths);
  const { kept } = (await driftOf(context, bundle, true))!;
  const restored = edits.map(({ path, what }) => ({ path, what }));
  const rest = drift.edits.length - edits.length;
  const now = rest === 0 ? bundle : `${edits.map(({ path }) => path).join(', ')} of ${bundle}`;
  const told = { bundle, release: number, restored, aside: drift.aside, kept, ...(fault ? { fault } : {}) };
  context.print(
    told,
    () =>
      `${paint('green', '✓')} ${now} ${rest > 0 && edits.length > 1 ? 'are' : 'is'} as release ${number} has it${rest > 0 ? `, ${rest} more ${rest === 1 ? 'edit is' : 'edits are'} left alone` : ''}${kept.length > 0 ? `; edits are kept in ${drift.aside}` : ''}${fault ? `\n${paint('red', `✖ after that: ${fault}`)}` : ''}`,
  );
  return fault ? EXIT.failed : EXIT.done;
}

export interface AdoptFlags extends GlobalFlags, SignFlags, Omit<PublishFlags, 'wait' | 'rebase' | 'sign'> {
  readonly wait?: string | true;
}

/** Makes what was edited here the next release, merged onto what came in meanwhile. */
export async function adoptDrift(bundle: string, flags: AdoptFlags): Promise<number> {
  await using context = await Context.open(flags);
  const { wait: waiting, sign: _, ...rest } = flags;
  const [wait, sign] = [waitSeconds(waiting), await signingKey(flags)];
  const drift = (await driftOf(context, bundle, true))!;
  const { release, edits } = drift;
  const rendered = edits.filter((edit) => edit.rendered && !isAdoptable(edit)).map(({ path }) => path);
  if (rendered.length > 0 && !edits.some(isAdoptable))
    throw new CliError(
      EXIT.refused,
      `rendered from a template and edited by hand since: ${rendered.join(', ')}; nothing was published`,
      `make the change in the template: quorate edit ${release.definition.root}/${rendered[0]}`,
    );
  if (!edits.some(isAdoptable)) {
    context.print(
      { bundle, release: release.number, published: false },
      () => `nothing to publish: ${bundle} is as release ${release.number} has it`,
    );
    return EXIT.done;
  }
  for (const path of rendered) context.say(paint('yellow', `! left out: ${path} is rendered from a template`));
  const { manifest, read } = drift.edited();
  const working = { manifest, read, definition: release.definition };
  return await publishWorking(context, release, working, { ...rest, rebase: true, sign, ...wait });
}

/** As the bundle calls it: `nginx.conf` and /etc/nginx/nginx.conf are the same. */
function pathIn({ settings }: Context, root: string, path: string): string {
  const native = path.startsWith('/') ? nativePath(settings.root, path) : `${root}/${path.replace(/\/+$/, '')}`;
  if (native !== root && liesIn(root, native)) return native.slice(root.length + 1);
  throw new CliError(
    EXIT.usage,
    `${path} is not in ${root}`,
    'name a file as `quorate drift show` does, or by its native path',
  );
}

async function managedHere({ settings: { state } }: Context): Promise<string[]> {
  return managedBundles(state).catch((): string[] => []); // no state folder: nothing is managed
}

/** @throws CliError when nothing is applied of a bundle that was asked for */
async function driftOf(context: Context, bundle: string, isAsked: boolean): Promise<DriftHere | undefined> {
  checkBundleName(bundle);
  const managed = await managedHere(context);
  const drift = managed.includes(bundle) ? await driftHere(bundlePlace(context.settings, bundle)) : undefined;
  if (drift || !isAsked) return drift;
  throw new CliError(
    EXIT.failed,
    `no release of ${bundle} is applied on this machine (${context.settings.state})`,
    managed.length > 0 ? `what is: ${managed.join(', ')}` : 'nothing is; --state names another state folder',
  );
}

async function byAgent(context: Context, bundle: string, paths: readonly string[]): Promise<undefined> {
  const asked = join(context.settings.state, bundle, RESTORE_ASKED);
  const fresh = `${asked}.new`; // which an agent reads whole or not at all
  writeFileSync(fresh, paths.length === 0 ? '' : JSON.stringify(paths), { mode: 0o600 });
  renameSync(fresh, asked);
  for (const until = performance.now() + RESTORED_WITHIN_MS; performance.now() < until; await delay(50))
    if (!existsSync(asked)) return undefined;
  throw new CliError(
    EXIT.failed,
    `the agent here did not put ${bundle} back within ${RESTORED_WITHIN_MS / 1000} s`,
    '`quorate status` tells what it does; it goes on trying',
  );
}

async function rightNow({ settings }: Context, bundle: string, paths: readonly string[]): Promise<string | undefined> {
  await using _lock = await lockState(settings.state, { holder: 'command' });
  const opened = await openBundle(bundlePlace(settings, bundle));
  try {
    return await opened.drift.restore((await opened.drift.look('full'))?.edits ?? [], paths);
  } finally {
    opened.close();
  }
}

function forPrograms({ release, edits, aside, kept }: DriftHere): object {
  return {
    release: release.number,
    drift: release.definition.drift ?? DEFAULT_DRIFT,
    edits: edits.map(({ path, what, rendered, by }) => ({
      path,
      what,
      ...(rendered ? { rendered } : {}),
      ...(by ? { by } : {}),
    })),
    aside,
    kept,
  };
}

function describe(name: string, { release, edits, aside, kept }: DriftHere, diff: string): string {
  const { number, definition } = release;
  const policy = definition.drift ?? DEFAULT_DRIFT;
  const what =
    edits.length === 0 ? 'as it is' : `${edits.length} ${edits.length === 1 ? 'path differs' : 'paths differ'}`;
  const lines = [
    `${paint('bold', `${name} release ${number}`)}  ${paint(edits.length > 0 ? 'yellow' : 'green', what)}  drift: ${policy}`,
  ];
  if (edits.length > 0) lines.push(listed(edits));
  if (diff !== '') lines.push(diff);
  if (kept.length > 0)
    lines.push(
      paint(
        'dim',
        `kept in ${aside}: ${kept.slice(0, 10).join(', ')}${kept.length > 10 ? ` and ${kept.length - 10} more` : ''}`,
      ),
    );
  if (edits.length > 0 && policy === 'report')
    lines.push(
      `→ quorate drift adopt ${name} makes it the next release, quorate drift restore ${name} puts release ${number} back`,
    );
  return lines.join('\n');
}

const WORDS: Readonly<Record<Found['what'], string>> = {
  missing: 'is gone',
  added: 'is new',
  kind: 'is of another kind',
  content: 'was changed',
  mode: 'has another mode',
  owner: 'has another owner',
  link: 'was a link, what is there now is like it',
};

const listed = (edits: readonly Found[]): string =>
  edits
    .map(({ path, what, rendered }) => `  ${path} ${WORDS[what]}${rendered ? '; it is rendered from a template' : ''}`)
    .join('\n');

/** Without what is in rendered files: secrets may be. */
async function diffOf({ edits, before, after, read }: DriftHere): Promise<string> {
  const hidden = new Set(edits.filter(({ rendered }) => rendered).map(({ path }) => path));
  const side = (name: string, manifest: Manifest): Parameters<typeof renderDiff>[0] => ({
    name,
    manifest: manifest.filter(({ path }) => !hidden.has(path)),
    read: async (file: FileEntry) => read(file.sha256),
  });
  return renderDiff(side('release', before), side('here', after));
}
