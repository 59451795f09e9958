import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { encryptValue, makeIdentity } from '@quorate/agent';
import {
  definitionOf,
  type Entry,
  encodeSecrets,
  type LinkMode,
  manifestOf,
  SECRETS_FILE,
  SECRETS_FORMAT,
  secretPath,
  sha256,
} from '@quorate/model';
import { openStore, publishManifest } from '@quorate/store';

/** Contents by path. */
export type Files = Readonly<Record<string, string>>;

/** The value that `{{ secret.db }}` stands for. */
export const SECRET = 'correct horse battery';

/** What the releases of a machine in a folder have beside their files. */
export interface Ways {
  readonly link: LinkMode;
  /** a validate command, which wants to see the release in whole */
  readonly validated?: boolean | undefined;
  /** a health command, which finds `sick` wrong */
  readonly watched?: boolean | undefined;
  /** `app.conf` is a template, there is a secret, and what reloads prints what it reads */
  readonly rendered?: boolean | undefined;
  readonly drift?: 'adopt' | undefined;
  /** seconds after each reload in which nothing else becomes live; none unless given. When it was is noted then */
  readonly settle?: number | undefined;
}

export function putNative(folder: string, files: Files): void {
  mkdirSync(join(folder, 'root/etc'), { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    const place = join(folder, 'root/etc/app', path);
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, text);
  }
}

/** In the place of a link there is a file then, as most editors leave it. */
export function editNative(folder: string, path: string, text: string): void {
  const place = join(folder, 'root/etc/app', path);
  rmSync(place);
  writeFileSync(place, text);
}

/** The next release of the bundle `web`. Its reload notes the release, and fails where `app.conf` says `bad`. */
export async function publish(folder: string, files: Files, ways: Ways): Promise<void> {
  const { link, validated, watched, rendered, drift, settle = 0 } = ways;
  const conf = '"$QUORATE_ROOT/etc/app/app.conf"';
  const whole = `test ${Object.keys(files).length} = $(find -L . -type f | wc -l)`;
  const isIt = rendered
    ? `grep -q ${files['app.conf']!.split(' ')[0]} app.conf`
    : `test "$(cat app.conf)" = ${files['app.conf']}`;
  const validate = { command: `cd "$QUORATE_ROOT/etc/app"; ${isIt} && ! grep -q invalid app.conf && ${whole}` };
  const prints = rendered ? `; cat ${conf}` : '';
  const says = settle > 0 ? '$QUORATE_RELEASE $(date +%s%3N)' : '$QUORATE_RELEASE';
  const command = `echo "${says}" >> "$QUORATE_ROOT/../reloads"${prints}; ! grep -q bad ${conf}`;
  const reload = { command, settle };
  const definition = definitionOf({
    root: '/etc/app',
    link,
    ...(validated ? { validate } : {}),
    reload,
    ...(watched ? { health: { command: `! grep -q sick ${conf}` } } : {}),
    ...(rendered ? { templates: ['app.conf'] } : {}),
    ...(drift ? { drift } : {}),
  });
  const all = rendered ? { ...files, ...(await secretFiles(folder)) } : files;
  const contents = new Map(Object.values(all).map((text) => [sha256(text), Buffer.from(text)]));
  await using store = await openStore(`dir:${join(folder, 'store')}`);
  const base = await store.latest('web');
  await publishManifest(store, {
    bundle: 'web',
    ...(base ? { base } : {}),
    definition,
    manifest: manifestOf(entries(all, rendered ? '0600' : '0644')),
    read: async (hash) => contents.get(hash)!,
    author: 'test',
    message: 'test',
  });
}

/** The identity of the machine is made with the first of them. */
async function secretFiles(folder: string): Promise<Files> {
  const { identity, recipient } = await makeIdentity();
  writeFileSync(join(folder, 'identity'), identity, { mode: 0o600 });
  return {
    [SECRETS_FILE]: encodeSecrets({ format: SECRETS_FORMAT, recipients: [recipient] }).toString(),
    [secretPath('db')]: (await encryptValue(SECRET, [recipient])).toString(),
  };
}

function entries(files: Files, mode: string): Entry[] {
  const owned = { owner: String(process.geteuid?.()), group: String(process.getegid?.()) };
  const folders = new Set(Object.keys(files).flatMap(foldersOf));
  return [
    ...['.', ...folders].map((path): Entry => ({ path, kind: 'directory', mode: '0755', ...owned })),
    ...Object.entries(files).map(
      ([path, text]): Entry => ({
        path,
        kind: 'file',
        mode,
        ...owned,
        size: Buffer.byteLength(text),
        sha256: sha256(text),
      }),
    ),
  ];
}

const foldersOf = (path: string): string[] =>
  path
    .split('/')
    .slice(0, -1)
    .map((_, depth, names) => names.slice(0, depth + 1).join('/'));

export const sorted = (files: Files): Files =>
  Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));

/** What a reader finds at the native place; links that lead nowhere are absent to it, names on their way to their place are none yet. */
export function readNative(folder: string): Files {
  const native = join(folder, 'root/etc/app');
  const found: Record<string, string> = {};
  const walk = (path: string): void => {
    const place = join(native, path);
    const stats = statSync(place, { throwIfNoEntry: false });
    if (stats?.isFile()) found[path] = readFileSync(place, 'utf8');
    if (stats?.isDirectory())
      for (const name of readdirSync(place))
        if (!/^\..*\.quorate$/.test(name)) walk(path === '' ? name : `${path}/${name}`);
  };
  walk('');
  return sorted(found);
}

/** Releases in the order of their reloads, with the times of this machine's clock, ms, where those were noted. */
export function reloadsOf(folder: string): { release: string; when: number }[] {
  let text = '';
  try {
    text = readFileSync(join(folder, 'reloads'), 'utf8').trim();
  } catch {
    return []; // none has run yet
  }
  return text.split('\n').map((line) => {
    const [release = '', when] = line.split(' ');
    return { release, when: Number(when) };
  });
}

/** Files below a folder that hold a text, relative to it; not by way of links. */
export function filesWith(folder: string, text: string): string[] {
  const { stdout } = spawnSync('grep', ['-rlaF', '--', text, '.'], { cwd: folder, encoding: 'utf8' });
  return stdout.split('\n').flatMap((path) => (path === '' ? [] : [path.slice(2)]));
}

export function copyFolder(from: string, to: string): void {
  execFileSync('cp', ['-a', from, to]);
}
