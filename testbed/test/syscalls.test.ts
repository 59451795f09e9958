import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Call, crashAfter, FILE_CHANGES, traceCalls, tracingUnavailable } from '../src/index.ts';
import { statOf } from '../src/processes.ts';

const skip = tracingUnavailable() ?? false;
const bound = { skip, timeout: 60_000 };
const env = { NODE_OPTIONS: '' };

const TRACED = fileURLToPath(new URL('../src/traced.ts', import.meta.url));
/** On the main thread and on the pool's, some of it outside, some of it failing. */
const SCRIPT = `
import { tracedFromHere } from '${TRACED}';
import { existsSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
process.chdir(process.argv[1]);
tracedFromHere();
writeFileSync('../outside', 'x');
mkdirSync('d');
try { mkdirSync('d'); } catch {}
writeFileSync('d/a', 'sync');
renameSync('d/a', 'd/b');
symlinkSync('../outside', 'link');
const file = await open('d/c', 'w');
await file.write('pool');
await file.sync();
await file.close();
await rename('d/c', 'd/e');
await rename('d/e', 'd/f');
renameSync('d/b', 'ü "quoted" <x>\\n');
`;
const STEPS = [
  'mkdir d',
  'openat d/a',
  'write d/a',
  'rename d/a d/b',
  'symlink link',
  'openat d/c',
  'write d/c',
  'fsync d/c',
  'rename d/c d/e',
  'rename d/e d/f',
  'rename d/b ü "quoted" <x>\n',
];

function folderOfTest(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'testbed-syscalls-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

const commandIn = (folder: string): string[] => [process.execPath, '--input-type=module', '-e', SCRIPT, folder];
const told = (folder: string, calls: readonly Call[]): string[] =>
  calls.map(({ name, paths }) => [name, ...paths.map((path) => path.slice(folder.length + 1))].join(' '));

/** What is in a folder, as paths with contents. */
function tree(folder: string, prefix = ''): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(join(folder, prefix), { withFileTypes: true })) {
    const path = join(prefix, entry.name);
    if (entry.isDirectory()) Object.assign(found, { [path]: 'folder' }, tree(folder, path));
    else
      found[path] = entry.isSymbolicLink()
        ? readlinkSync(join(folder, path))
        : readFileSync(join(folder, path), 'utf8');
  }
  return found;
}

test('calls are told in their order over all threads, those in the given folders that succeeded', bound, async (t) => {
  const folder = join(folderOfTest(t), 'within');
  mkdirSync(folder);
  // the script begins elsewhere and goes there: relative names are those of the folder that they were used in
  const { calls, code } = await traceCalls(commandIn(folder), { within: [folder], env, cwd: folder });
  assert.equal(code, 0);
  assert.deepEqual(told(folder, calls), STEPS);
});

for (const fromHere of [false, true])
  test(
    `a command ${fromHere ? 'that says where its trace begins ' : ''}crashes after each of its calls, never elsewhere, and its disk is that of this moment`,
    bound,
    async (t) => {
      const folder = join(folderOfTest(t), 'within');
      let count = 0;
      const seen: Record<string, string>[] = [];
      for (; ; count++) {
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder);
        const crash = await crashAfter(count, commandIn(folder), { within: [folder], env, cwd: folder, fromHere });
        if (!crash.killed) {
          assert.equal(crash.code, 0);
          break;
        }
        assert.equal(crash.code, 137);
        assert.deepEqual(told(folder, crash.calls), STEPS.slice(0, count));
        seen.push(tree(folder));
      }
      assert.equal(count, STEPS.length + 1);
      const made = { d: 'folder' };
      const linked = { ...made, 'd/b': 'sync', link: '../outside' };
      const last = { ...made, 'd/f': 'pool', link: '../outside', 'ü "quoted" <x>\n': 'sync' };
      const wanted = [
        {},
        made,
        { ...made, 'd/a': '' },
        { ...made, 'd/a': 'sync' },
        { ...made, 'd/b': 'sync' },
        linked,
        { ...linked, 'd/c': '' },
        { ...linked, 'd/c': 'pool' },
        { ...linked, 'd/c': 'pool' },
        { ...linked, 'd/e': 'pool' },
        { ...linked, 'd/f': 'pool' },
        last,
      ];
      assert.deepEqual(seen, wanted);
    },
  );

test('children count and die too, and wait4 adds the moment in which one has ended', bound, async (t) => {
  const folder = folderOfTest(t);
  const script = `/bin/echo one >one; /bin/echo two >two; echo three >three; sleep 1004 & echo four >four`;
  const options = { within: [folder], cwd: folder, calls: [...FILE_CHANGES, 'wait4'] };
  const done: string[] = [];
  for (let count = 1; count <= 8; count++) {
    for (const name of readdirSync(folder)) rmSync(join(folder, name));
    const { killed, calls } = await crashAfter(count, ['sh', '-c', script], options);
    assert.ok(killed);
    done.push(told(folder, calls.slice(-1))[0]!);
    if (done.at(-1) === 'wait4') assert.match(Object.values(tree(folder)).join(), /one\n(,two\n)?$/);
  }
  assert.deepEqual(done, [
    'openat one',
    'write one',
    'wait4',
    'openat two',
    'write two',
    'wait4',
    'openat three',
    'write three',
  ]);
});

test('a command that takes too long under the trace is ended with its children', bound, async (t) => {
  const folder = folderOfTest(t);
  writeFileSync(join(folder, 'script'), 'sleep 1005 & echo $! >pid; wait');
  const run = traceCalls(['sh', join(folder, 'script')], { cwd: folder, timeout: 500 });
  await assert.rejects(run, /did not end within 0\.5 s under strace/);
  const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'));
  // dead, and maybe not yet buried: an orphan's burial is up to the host's process 1
  assert.match(statOf(pid)?.[0] ?? 'gone', /^(gone|Z|X)$/);
});

test('what cannot be run, and a number that is none, are told', bound, async () => {
  assert.notEqual((await traceCalls(['no-such-command'])).code, 0);
  assert.match((await traceCalls(['no-such-command'])).output, /no-such-command/);
  await assert.rejects(crashAfter(-1, ['true']), /-1 is no number of calls/);
});
