import { existsSync, realpathSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  AgentError,
  applyOnce,
  bundlePlace,
  checkPolicy,
  isLocked,
  readStatus,
  resolveNativeRoot,
  type Scanned,
  type Settings,
  scanTree,
} from '@quorate/agent';
import {
  type BundleDefinition,
  type BundleStatus,
  checkBundleName,
  definitionOf,
  type LinkMode,
  liesIn,
  type Manifest,
} from '@quorate/model';
import { publishManifest, type Store } from '@quorate/store';
import { authorOf, Context, type GlobalFlags } from '../context.ts';
import { readDefinition } from '../definition.ts';
import { CliError, EXIT } from '../exit.ts';
import { judgeHere } from '../judging.ts';
import { messageFor } from '../message.ts';
import { nativePath } from '../native-path.ts';
import { paint } from '../output/style.ts';
import { indented } from '../output/table.ts';
import { type SignFlags, signingKey } from '../signing.ts';
import { Vote, type VoteFlags } from '../voting.ts';

export interface ImportFlags extends GlobalFlags, SignFlags, VoteFlags {
  readonly link?: LinkMode;
  readonly validate?: string;
  readonly reload?: string;
  readonly health?: string;
  readonly ignore?: readonly string[];
  readonly allowLinksTo?: readonly string[];
  readonly message?: string;
  readonly author?: string;
  readonly definition?: string;
}

const ADOPTED_WITHIN_MS = 60_000;

/** Native files become release 1, and are adopted on this machine. */
export async function importBundle(bundle: string, path: string, flags: ImportFlags): Promise<number> {
  checkBundleName(bundle);
  await using context = await Context.open(flags);
  const { settings } = context;
  const { definition, only } = await define(settings, path, flags);
  const sign = await signingKey(flags);
  if (settings.trust && !sign)
    throw new CliError(
      EXIT.refused,
      'this machine takes signed releases alone, and would not adopt what it imports',
      'sign it: --sign KEY',
    );
  const store = await context.store();
  const vote = new Vote(context, store, flags, false);
  const existing = await store.latest(bundle);
  if (existing)
    throw new CliError(
      EXIT.conflict,
      `the bundle ${bundle} exists already, at release ${existing.release.number}`,
      `change it with \`quorate publish ${bundle} FOLDER\`, or import under another name`,
    );
  const message = messageFor(bundle, flags.message, `import of ${path} from ${settings.instance}`, definition);
  const scanned = await scan(settings, definition, only);
  checkAdoption(settings, definition, scanned.manifest);
  await judgeHere(context, bundle, { definition, ...scanned });
  const what = { bundle, definition, ...scanned, author: authorOf(flags.author), message };
  const { release } = await vote.decide(bundle, (options) => publishManifest(store, what, { ...options, sign }), {
    adopting: true,
  });
  for (const ignored of scanned.ignored.slice(0, 10)) context.say(paint('dim', `left out ${ignored}`));
  context.say(
    `${paint('green', '✓')} ${bundle} release ${release.number}: ${release.files} files from ${definition.root} (${vote.outcome})`,
  );
  const status = await adopt(settings, store, bundle);
  context.print(
    { bundle, release: release.number, digest: release.digest, files: release.files, vote: vote.json, adopted: status },
    () => describe(definition, status),
  );
  return status.state === 'applied' ? EXIT.done : EXIT.refused;
}

async function scan(settings: Settings, definition: BundleDefinition, only: string[] | undefined): Promise<Scanned> {
  const native = join(settings.root, definition.root);
  try {
    return await scanTree(native, {
      definition,
      owners: 'native',
      root: settings.root,
      ...(only ? { only } : {}),
    });
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== 'IMPORT_REFUSED') throw error;
    throw new CliError(
      EXIT.failed,
      error.message,
      'leave out what is not configuration by --ignore GLOB; links may lead to what --allow-links-to FOLDER names',
      { cause: error },
    );
  }
}

/** What this machine would refuse to adopt is not published either. @throws AgentError, CliError refused */
function checkAdoption(settings: Settings, definition: BundleDefinition, manifest: Manifest): void {
  const { state, root } = settings;
  const native = join(root, definition.root);
  const real = realpathSync(native);
  if (existsSync(state) && liesIn(realpathSync(state), real)) {
    const [owner] = real.slice(realpathSync(state).length + 1).split('/');
    throw new CliError(
      EXIT.refused,
      `${definition.root} is managed already, by the bundle ${owner}`,
      `change it with \`quorate publish ${owner}\`, or leave it first: \`quorate unmanage ${owner}\``,
    );
  }
  const { policy } = bundlePlace(settings, '');
  checkPolicy(policy, definition, manifest);
  resolveNativeRoot(policy, root, state, definition);
}

async function define(
  settings: Settings,
  path: string,
  flags: ImportFlags,
): Promise<{ definition: BundleDefinition; only?: string[] }> {
  const native = nativePath(settings.root, path);
  const there = await stat(join(settings.root, native)).catch(() => undefined); // told in the next line
  if (!there)
    throw new CliError(
      EXIT.usage,
      `${join(settings.root, native)} is not there`,
      'name a folder or a file as it is on this machine, for example /etc/nginx',
    );
  const single = !there.isDirectory();
  const given = flags.definition === undefined ? {} : await readDefinition(flags.definition);
  const definition = definitionOf({
    root: single ? dirname(native) : native,
    link: single ? 'files' : 'directory',
    ...given,
    ...(flags.link ? { link: flags.link } : {}),
    ...(flags.validate ? { validate: { command: flags.validate } } : {}),
    ...(flags.reload ? { reload: { command: flags.reload } } : {}),
    ...(flags.health ? { health: { command: flags.health } } : {}),
    ...(flags.ignore ? { ignore: flags.ignore } : {}),
    ...(flags.allowLinksTo ? { links: flags.allowLinksTo } : {}),
  });
  if (definition.root !== (single ? dirname(native) : native))
    throw new CliError(
      EXIT.usage,
      `the definition is for ${definition.root}, not for ${native}`,
      'name the folder that its `root:` names, or mend it',
    );
  if (single && definition.link === 'directory')
    throw new CliError(
      EXIT.usage,
      `${native} is one file, which link: directory cannot serve`,
      'use --link files or --link copy',
    );
  return { definition, ...(single ? { only: [basename(native)] } : {}) };
}

/** By the agent that runs here, else right now. */
async function adopt(settings: Settings, store: Store, bundle: string): Promise<BundleStatus> {
  if (!(await isLocked(settings.state))) {
    const { bundles, unreachable } = await applyOnce(settings, { store, only: [bundle] });
    if (unreachable) throw unreachable;
    return bundles[bundle]!;
  }
  for (const until = performance.now() + ADOPTED_WITHIN_MS; performance.now() < until; await delay(100)) {
    const status = (await readStatus(settings.state))?.instance.bundles[bundle];
    if (status && status.state !== 'applying' && status.target > 0) return status;
  }
  throw new CliError(
    EXIT.failed,
    `the agent here did not adopt ${bundle} within ${ADOPTED_WITHIN_MS / 1000} s`,
    '`quorate status` tells what it does',
  );
}

function describe({ root, link }: BundleDefinition, { state, detail }: BundleStatus): string {
  if (state !== 'applied') return `${paint('red', '✖')} not adopted here: ${state}: ${indented(detail ?? '')}`;
  const how =
    link === 'copy'
      ? 'its files are kept the same from now on'
      : link === 'files'
        ? 'its files are links to the release now'
        : 'it is a link to the release now';
  return `${paint('green', '✓')} ${root} is adopted: ${how}; the original is kept, \`quorate unmanage\` undoes it`;
}
