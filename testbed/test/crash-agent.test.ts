import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type BundleDefinition, definitionOf, type Entry, type LinkMode, manifestOf, sha256 } from '@quorate/model';
import { openStore, publishManifest } from '@quorate/store';
import { crashAfter, tracingUnavailable } from '../src/index.ts';
import { runStep, type Step } from './crash-step.ts';

const STEP = fileURLToPath(new URL('./crash-step.ts', import.meta.url));
/** Kills at each n-th call only; 1 kills at every one, about 1,700 times, which takes half an hour. */
const STRIDE = Number(process.env.QUORATE_CRASH_STRIDE ?? 17);
/** By which the first call is chosen, another one each time: see the test's diagnostics. */
const SEED = process.env.QUORATE_CRASH_SEED ?? String(Math.floor(Math.random() * 2 ** 32));
const skip = tracingUnavailable() ?? false;

/** Contents by path. */
type Files = Readonly<Record<string, string>>;
const OLD: Files = { 'app.conf': 'old', 'conf.d/a.conf': 'old a' };
const ONE: Files = { 'app.conf': 'one', 'conf.d/a.conf': 'one a', 'gone.d/g.conf': 'one g' };
const CHANGED: Files = { ...ONE, 'app.conf': 'changed', 'conf.d/a.conf': 'changed a' };
const TWO: Files = { 'app.conf': 'two', 'conf.d/a.conf': 'two a', 'new.d/n.conf': 'two n' };
const INVALID: Files = { ...TWO, 'app.conf': 'invalid' };
const BAD: Files = { ...TWO, 'app.conf': 'bad' };
const NEXT: Readonly<Record<LinkMode, LinkMode>> = { directory: 'files', files: 'copy', copy: 'directory' };

interface Scenario {
  readonly name: string;
  /** what is native before Quorate */
  readonly native: Files;
  /** applied before the step, oldest first */
  readonly applied: readonly Files[];
  /** published then */
  readonly published?: Files;
  readonly link?: LinkMode;
  readonly step: Step;
  /** what native paths may resolve to, the first before the step and the last after it */
  readonly sees: readonly Files[];
  readonly state?: 'applied' | 'rolled-back' | 'refused';
  /** every release has a validate command */
  readonly validated?: boolean;
  /** what somebody wrote in the place of `app.conf` before the step */
  readonly edit?: string;
  /** release of the last reload; undefined when none needs to have run */
  readonly reloaded?: number;
}

const scenarios = (link: LinkMode): Scenario[] => [
  {
    name: 'a first release over native files',
    native: OLD,
    applied: [],
    published: ONE,
    step: 'apply',
    sees: [OLD, ONE],
    reloaded: 1,
  },
  {
    name: 'a first release where nothing was',
    native: {},
    applied: [],
    published: ONE,
    step: 'apply',
    sees: [{}, ONE],
    reloaded: 1,
  },
  {
    name: 'an edit that is put back',
    native: OLD,
    applied: [ONE],
    edit: 'edited',
    step: 'restore',
    sees: [{ ...ONE, 'app.conf': 'edited' }, ONE],
    reloaded: 1,
  },
  {
    name: 'an update of contents',
    native: OLD,
    applied: [ONE],
    published: CHANGED,
    step: 'apply',
    sees: [ONE, CHANGED],
    reloaded: 2,
  },
  {
    name: 'an update that adds and removes files',
    native: OLD,
    applied: [ONE],
    published: TWO,
    step: 'apply',
    sees: [ONE, TWO],
    reloaded: 2,
  },
  {
    name: 'an update to another link mode',
    native: OLD,
    applied: [ONE],
    published: TWO,
    link: NEXT[link],
    step: 'apply',
    sees: [ONE, TWO],
    reloaded: 2,
  },
  {
    name: 'an update whose reload fails',
    native: OLD,
    applied: [ONE],
    published: BAD,
    step: 'apply',
    sees: [ONE, BAD, ONE],
    state: 'rolled-back',
    reloaded: 1,
  },
  {
    name: 'a first release whose reload fails',
    native: OLD,
    applied: [],
    published: BAD,
    step: 'apply',
    sees: [OLD, BAD, OLD],
    state: 'rolled-back',
    reloaded: 0,
  },
  {
    name: 'an update that is validated',
    native: OLD,
    applied: [ONE],
    published: TWO,
    validated: true,
    step: 'apply',
    sees: [ONE, TWO],
    reloaded: 2,
  },
  {
    name: 'an update that is refused',
    native: OLD,
    applied: [ONE],
    published: INVALID,
    validated: true,
    step: 'apply',
    sees: [ONE],
    state: 'refused',
    reloaded: 1,
  },
  { name: 'unmanage', native: OLD, applied: [ONE, TWO], step: 'unmanage', sees: [TWO] },
  { name: 'unmanage --original', native: OLD, applied: [ONE, TWO], step: 'unmanage-original', sees: [TWO, OLD] },
  {
    name: 'unmanage --original where nothing was',
    native: {},
    applied: [TWO],
    step: 'unmanage-original',
    sees: [TWO, {}],
  },
];

for (const link of ['directory', 'files', 'copy'] as const) {
  describe(`link: ${link}, killed just before any of its file-system calls and started again`, {
    concurrency: 2,
  }, () => {
    for (const scenario of scenarios(link))
      test(scenario.name, { skip, timeout: 3_600_000 }, async (t) => {
        const outer = mkdtempSync(join(tmpdir(), 'quorate-crash-agent-'));
        try {
          const first = 1 + (Number.parseInt(sha256(`${SEED} ${link} ${scenario.name}`).slice(0, 8), 16) % STRIDE);
          t.diagnostic(`QUORATE_CRASH_SEED=${SEED}: from call ${first} on, each ${STRIDE}th`);
          const { kills, calls } = await crashEverywhere(outer, link, scenario, first);
          t.diagnostic(`${kills} kills at ${calls} calls`);
          assert.ok(calls >= 10, `only ${calls} calls`);
        } finally {
          rmSync(outer, { recursive: true, force: true });
        }
      });
  });
}

/** @returns how many times the step was killed, and how many calls it has */
async function crashEverywhere(
  outer: string,
  link: LinkMode,
  scenario: Scenario,
  first: number,
): Promise<{ kills: number; calls: number }> {
  const prepared = join(outer, 'prepared');
  await prepare(prepared, link, scenario);
  assert.deepEqual(read(prepared), scenario.sees[0]);
  const atomic = link !== 'copy' && scenario.link !== 'copy';
  for (let kills = 0, count = first; ; kills++, count += STRIDE) {
    const folder = join(outer, `after-${count}`);
    execFileSync('cp', ['-a', prepared, folder]);
    const { killed, code, output, calls } = await crashAfter(
      count,
      [process.execPath, ...process.execArgv, STEP, folder, scenario.step],
      {
        within: [join(folder, 'root'), join(folder, 'state')],
        fromHere: true,
      },
    );
    const at = killed ? `killed after call ${count}, ${calls.at(-1)?.text}` : 'at the end';
    if (!killed) assert.equal(code, 0, output);
    checkInstant(read(folder), scenario.sees, atomic, at);
    await checkRestart(folder, scenario, at);
    rmSync(folder, { recursive: true });
    if (!killed) return { kills, calls: calls.length };
  }
}

/** Native paths resolve to exactly one release; with `link: copy` each file is wholly of one of them. */
function checkInstant(found: Files, sees: readonly Files[], atomic: boolean, at: string): void {
  if (atomic) {
    const same = (files: Files): boolean => JSON.stringify(files) === JSON.stringify(found);
    assert.ok(sees.map(sorted).some(same), `${at}: a mixed set of files: ${JSON.stringify(found)}`);
    return;
  }
  for (const path of new Set([...sees.flatMap((files) => Object.keys(files)), ...Object.keys(found)]))
    assert.ok(
      sees.some((files) => files[path] === found[path]),
      `${at}: ${path} is ${found[path]}`,
    );
}

/** An agent that comes after takes it to its end, leaves nothing behind, and has nothing to do a second time. */
async function checkRestart(
  folder: string,
  { step, sees, state, edit, reloaded }: Scenario,
  at: string,
): Promise<void> {
  const lines: string[] = [];
  const again = await runStep(folder, step, lines);
  const last = sees.at(-1)!;
  assert.deepEqual(read(folder), sorted(last), at);
  if (step === 'apply')
    assert.equal(again?.bundles.web?.state, state ?? 'applied', `${at}: ${again?.bundles.web?.detail}`);
  if (reloaded !== undefined) assert.equal(reloads(folder).at(-1), String(reloaded), `${at}: the last reload`);
  if (edit !== undefined) {
    const aside = join(folder, 'state/web/aside/app.conf');
    assert.equal(readFileSync(aside, 'utf8'), edit, `${at}: the edit is kept`);
    assert.deepEqual(reloads(folder).length > 1, true, `${at}: it was reloaded`);
    rmSync(aside);
    lines.length = 0;
  }
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  assert.deepEqual(
    names.filter((name) => /\.quorate(-old)?$|\.new$|\/(aside|validate)\//.test(name)),
    [],
    `${at}: left behind`,
  );
  assert.deepEqual(lines, [], at);
  const before = reloads(folder).length;
  await runStep(folder, step, lines);
  assert.deepEqual(read(folder), sorted(last), `${at}, a second time`);
  assert.equal(reloads(folder).length, before, `${at}: reloaded for nothing`);
}

const reloads = (folder: string): string[] => {
  try {
    return readFileSync(join(folder, 'reloads'), 'utf8').trim().split('\n');
  } catch {
    return []; // none has run yet
  }
};

async function prepare(
  folder: string,
  link: LinkMode,
  { native, applied, published, link: next, edit, validated = false }: Scenario,
): Promise<void> {
  mkdirSync(join(folder, 'root/etc'), { recursive: true });
  for (const [path, text] of Object.entries(native)) {
    const place = join(folder, 'root/etc/app', path);
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, text);
  }
  for (const files of applied) {
    await publish(folder, link, files, validated);
    assert.equal((await runStep(folder, 'apply'))?.bundles.web?.state, 'applied');
  }
  if (published) await publish(folder, next ?? link, published, validated);
  if (edit === undefined) return;
  const place = join(folder, 'root/etc/app/app.conf');
  rmSync(place); // in the place of a link there is a file then, as most editors leave it
  writeFileSync(place, edit);
}

async function publish(folder: string, link: LinkMode, files: Files, validated: boolean): Promise<void> {
  // the new release is what it must see, in whole
  const validate = {
    command: `cd "$QUORATE_ROOT/etc/app"; test "$(cat app.conf)" = ${files['app.conf']} && ! grep -q invalid app.conf && test ${Object.keys(files).length} = $(find -L . -type f | wc -l)`,
  };
  const reload = {
    command: 'echo "$QUORATE_RELEASE" >> "$QUORATE_ROOT/../reloads"; ! grep -q bad "$QUORATE_ROOT/etc/app/app.conf"',
    settle: 0,
  };
  await using store = await openStore(`dir:${join(folder, 'store')}`);
  const base = await store.latest('web');
  const contents = new Map(Object.values(files).map((text) => [sha256(text), Buffer.from(text)]));
  const definition: BundleDefinition = definitionOf({
    root: '/etc/app',
    link,
    ...(validated ? { validate } : {}),
    reload,
  });
  const read = async (hash: string): Promise<Buffer> => contents.get(hash)!;
  const manifest = manifestOf(entries(files));
  await publishManifest(store, {
    bundle: 'web',
    ...(base ? { base } : {}),
    definition,
    manifest,
    read,
    author: 'test',
    message: 'test',
  });
}

function entries(files: Files): Entry[] {
  const owned = { owner: String(process.geteuid?.()), group: String(process.getegid?.()) };
  const folders = new Set(['.', ...Object.keys(files).map(dirname)]);
  return [
    ...[...folders].map((path): Entry => ({ path, kind: 'directory', mode: '0755', ...owned })),
    ...Object.entries(files).map(
      ([path, text]): Entry => ({
        path,
        kind: 'file',
        mode: '0644',
        ...owned,
        size: Buffer.byteLength(text),
        sha256: sha256(text),
      }),
    ),
  ];
}

const sorted = (files: Files): Files => Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));

/** What a reader finds at the native place; links that lead nowhere are absent to it, names on their way to their place are none yet. */
function read(folder: string): Files {
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
