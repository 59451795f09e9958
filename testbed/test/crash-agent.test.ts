import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type LinkMode, sha256 } from '@quorate/model';
import { crashAfter, tracingUnavailable } from '../src/index.ts';
import {
  copyFolder,
  editNative,
  type Files,
  filesWith,
  publish,
  putNative,
  readNative,
  reloadsOf,
  SECRET,
  sorted,
} from './crash-folder.ts';
import { type Scenario, scenarios } from './crash-scenarios.ts';
import { runStep } from './crash-step.ts';

const STEP = fileURLToPath(new URL('./crash-step.ts', import.meta.url));
/** Kills at each n-th call only; 1 kills at every one, about 5,000 times, which takes hours. */
const STRIDE = Number(process.env.QUORATE_CRASH_STRIDE ?? 29);
/** By which the first call is chosen, another one each time: see the test's diagnostics. */
const SEED = process.env.QUORATE_CRASH_SEED ?? String(Math.floor(Math.random() * 2 ** 32));
/** by which the kernel's times of files may be behind its clock, ms */
const COARSE_MS = 20;
const skip = tracingUnavailable() ?? false;

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
  assert.deepEqual(readNative(prepared), sorted(scenario.sees[0]!));
  const atomic = link !== 'copy' && scenario.link !== 'copy';
  for (let kills = 0, count = first; ; kills++, count += STRIDE) {
    const folder = join(outer, `after-${count}`);
    copyFolder(prepared, folder);
    const command = [process.execPath, ...process.execArgv, STEP, folder, scenario.step];
    // an agent that runs writes its status whenever there is news: what is counted must be the same each time
    const within = [join(folder, 'root'), join(folder, scenario.step === 'adopt' ? 'state/web' : 'state')];
    const { killed, code, output, calls } = await crashAfter(count, command, { within, fromHere: true });
    const at = killed ? `killed after call ${count}, ${calls.at(-1)?.text}` : 'at the end';
    if (!killed) assert.equal(code, 0, output);
    checkInstant(readNative(folder), scenario.sees, atomic, at);
    if (scenario.edit !== undefined) checkEdit(folder, scenario.edit, at);
    if (scenario.fleet) checkSecret(folder, at);
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

/** An edit is in its place, in a release, or whole in the folder of those that had to give way. */
function checkEdit(folder: string, edit: string, at: string): void {
  const found = filesWith(folder, edit);
  const isWhole = (path: string): boolean => readFileSync(join(folder, path), 'utf8') === edit;
  const holds = found.filter((path) => !/(^|\/)\.[^/]*$/.test(path) && (path.startsWith('store/') || isWhole(path)));
  assert.ok(holds.length > 0, `${at}: the edit is lost: it is in ${found.join(', ') || 'no file'}`);
}

/** A secret's value is in the bundle's own files alone, and only their owner may read them. */
function checkSecret(folder: string, at: string): void {
  for (const path of filesWith(folder, SECRET)) {
    assert.match(path, /^(root\/etc\/app|state\/web)\//, `${at}: the secret is in ${path}`);
    assert.equal(statSync(join(folder, path)).mode & 0o077, 0, `${at}: others may read ${path}`);
  }
}

/** An agent that comes after takes it to its end, leaves nothing behind, and has nothing to do a second time. */
async function checkRestart(folder: string, scenario: Scenario, at: string): Promise<void> {
  const { step, sees, state = 'applied', reloaded, edit, fleet } = scenario;
  const lines: string[] = [];
  const again = await runStep(folder, step, lines);
  const last = sorted(sees.at(-1)!);
  assert.deepEqual(readNative(folder), last, at);
  if (again) assert.equal(again.state, state, `${at}: ${again.detail}`);
  if (reloaded !== undefined)
    assert.equal(reloadsOf(folder).at(-1)?.release, String(reloaded), `${at}: the last reload`);
  if (scenario.settle) checkPause(folder, scenario.settle, at);
  // the release before has the same number: only how often tells
  if (fleet && scenario.applied.length > 0) assert.ok(reloadsOf(folder).length > 1, `${at}: it was not reloaded`);
  if (edit !== undefined) {
    checkEdit(folder, edit, at);
    checkKept(folder, scenario, at);
    lines.length = 0;
  }
  assert.deepEqual(leftBehind(folder), [], `${at}: left behind`);
  assert.deepEqual(lines, [], at);
  if (fleet) {
    checkSecret(folder, at);
    const has = filesWith(folder, SECRET).filter((path) => !/\/(packs|releases)\/|\/(app\.conf|hook\.log)$/.test(path));
    assert.deepEqual(has, [], `${at}: the secret stays in other files than its own`);
  }
  const before = reloadsOf(folder).length;
  await runStep(folder, step, step === 'adopt' ? [] : lines);
  assert.deepEqual(readNative(folder), last, `${at}, a second time`);
  assert.equal(reloadsOf(folder).length, before, `${at}: reloaded for nothing`);
  assert.deepEqual(lines, [], `${at}, a second time`);
}

const conflictOf = (edit = ''): string => `<<<<<<< yours\n${edit}\n=======\nchanged\n>>>>>>> theirs`;

/** What was told to read a release is not given another one before it had its time. */
function checkPause(folder: string, settle: number, at: string): void {
  const told = reloadsOf(folder).findLast(({ release }) => release === '2')?.when ?? -Infinity;
  const flipped = lstatSync(join(folder, 'state/web/current')).ctimeMs;
  assert.ok(
    flipped - told >= settle * 1000 - COARSE_MS,
    `${at}: another release ${flipped - told} ms after its reload`,
  );
}

/** Names of unfinished work; in a tree that is not live it goes with the tree, which is made anew before it is live again. */
function leftBehind(folder: string): string[] {
  const web = 'state/web/';
  const live = existsSync(join(folder, web, 'current')) ? readlinkSync(join(folder, web, 'current')) : '';
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) =>
      /\.quorate(-old)?$|\.new$|\/(aside|validate)\//.test(name) &&
      (!name.startsWith(`${web}releases/`) || name.startsWith(`${web}${live}/`)),
  );
}

/** Where an edit is in the end; what was kept goes with the check. */
function checkKept(folder: string, { edit, kept }: Scenario, at: string): void {
  const aside = join(folder, 'state/web/aside');
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\/aside\//.test(name));
  assert.ok(reloadsOf(folder).length > 1, `${at}: it was reloaded`);
  const conflict = kept === 'conflict' ? ['app.conf.conflict'] : [];
  const wanted = kept === 'released' ? [] : ['app.conf', ...conflict];
  assert.deepEqual(
    found.map((name) => name.slice('state/web/aside/'.length)).sort(),
    wanted,
    `${at}: what is kept aside`,
  );
  if (kept === 'released') return;
  assert.equal(readFileSync(join(aside, 'app.conf'), 'utf8'), edit, `${at}: the edit is kept`);
  if (kept === 'conflict')
    assert.equal(readFileSync(join(aside, 'app.conf.conflict'), 'utf8'), conflictOf(edit), `${at}: both versions`);
  rmSync(aside, { recursive: true });
}

async function prepare(folder: string, link: LinkMode, scenario: Scenario): Promise<void> {
  const { native, applied, published, link: next, edit, validated, watched, drift, settle, fleet, step } = scenario;
  const ways = { link, validated, watched, drift, settle, rendered: fleet !== undefined };
  putNative(folder, native);
  const isThere = (names: readonly string[]): void => writeFileSync(join(folder, 'fleet.json'), JSON.stringify(names));
  if (fleet) isThere(fleet[0]);
  for (const files of applied) {
    await publish(folder, files, ways);
    assert.equal((await runStep(folder, step === 'render' ? step : 'apply'))?.state, 'applied');
  }
  if (fleet) isThere(fleet[1]);
  if (published) await publish(folder, published, { ...ways, link: next ?? link });
  if (edit !== undefined) editNative(folder, 'app.conf', edit);
}
