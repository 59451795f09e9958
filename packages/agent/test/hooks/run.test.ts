import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { identify, lives } from '../../src/ensemble/process.ts';
import { awaitOrphan, type HookResult, runHook } from '../../src/hooks/index.ts';

const bound = { timeout: 20_000 };

/** Runs a command as a hook in a folder of the test. */
function hooks(t: TestContext): {
  folder: string;
  record: string;
  run(command: string, timeout?: number): Promise<HookResult>;
} {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-hook-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const record = join(folder, 'hook.json');
  const run = (command: string, timeout?: number): Promise<HookResult> =>
    runHook(
      { command, ...(timeout === undefined ? {} : { timeout }) },
      { name: 'reload', env: { FOLDER: folder, QUORATE_RELEASE: '7' }, record, log: join(folder, 'hook.log') },
    );
  return { folder, record, run };
}

const pidIn = (path: string): number => Number(readFileSync(path, 'utf8'));
const isAlive = async (pid: number): Promise<boolean> => (await identify(pid)) !== undefined;

test(
  'a command that succeeds and one that fails are told apart, with what they printed on both streams',
  bound,
  async (t) => {
    const { run, record } = hooks(t);
    const good = await run('echo out; echo err >&2');
    assert.equal(good.ok, true);
    assert.equal(good.output, 'out\nerr');
    assert.match(good.summary, /^reload: exit code 0 after \d+\.\d s$/);
    const bad = await run('echo why; exit 3');
    assert.equal(bad.ok, false);
    assert.match(bad.summary, /^reload: exit code 3 after/);
    assert.equal(bad.output, 'why');
    assert.match((await run('no-such-command-here')).summary, /exit code 127/);
    assert.match((await run('kill -9 $$')).summary, /exit code 137|ended by SIGKILL/);
    assert.ok(!existsSync(record), 'no record of a hook that has ended');
  },
);

test('a command that cannot be put on record does not begin, and nothing of it is left', bound, async (t) => {
  const { folder } = hooks(t);
  const paths = { record: join(folder, 'gone', 'hook.json'), log: join(folder, 'hook.log') };
  await assert.rejects(
    runHook({ command: 'echo begun > "$FOLDER/begun"' }, { name: 'reload', env: { FOLDER: folder }, ...paths }),
    { code: 'ENOENT' },
  );
  assert.ok(!existsSync(join(folder, 'begun')));
  const running = readdirSync('/proc').filter(
    (pid) => /^\d+$/.test(pid) && environmentOf(pid).includes(`FOLDER=${folder}`),
  );
  assert.deepEqual(running, []);
});

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return []; // it has ended, or is another user's
  }
}

test('the environment is clean: a path, a home, a language, and what the hook is told', bound, async (t) => {
  process.env.QUORATE_TEST_SECRET = 'secret';
  t.after(() => delete process.env.QUORATE_TEST_SECRET);
  const { run, folder } = hooks(t);
  const names = (await run('env')).output.split('\n').map((line) => line.split('=')[0]!);
  assert.deepEqual(names.filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name)).sort(), [
    'FOLDER',
    'HOME',
    'LANG',
    'PATH',
    'QUORATE_RELEASE',
  ]);
  assert.equal((await run('pwd; umask; read line || echo nothing to read')).output, '/\n0022\nnothing to read');
  const held = openSync(join(folder, 'held'), 'w');
  t.after(() => closeSync(held));
  assert.doesNotMatch((await run('readlink /proc/$$/fd/*')).output, /held/, 'no open file of the agent is passed on');
});

test('of much output the end is kept, and a command that never stops printing is ended', bound, async (t) => {
  const { run } = hooks(t);
  const much = await run('seq 1 100000');
  assert.equal(much.ok, true);
  assert.ok(much.output.endsWith('\n100000') && much.output.length <= 64 * 1024);
  const endless = await run('yes');
  assert.equal(endless.ok, false);
  assert.match(endless.summary, /ended because it printed more than 16 MiB/);
});

test('at its time limit a command is ended with all that it started, also what does not want to', bound, async (t) => {
  const { run, folder } = hooks(t);
  const result = await run(`trap '' TERM; (trap '' TERM; sleep 1010) & echo $! > $FOLDER/pid; wait; wait`, 0.3);
  assert.equal(result.ok, false);
  assert.match(result.summary, /^reload: ended at its time limit of 0\.3 s/);
  const pid = pidIn(join(folder, 'pid'));
  for (const until = performance.now() + 5000; await isAlive(pid); )
    assert.ok(performance.now() < until, 'a child lives on');
});

test('a daemon that a command leaves behind lives on and holds nobody up', bound, async (t) => {
  const { run, folder } = hooks(t);
  const from = performance.now();
  const result = await run('sleep 1011 & echo $! > $FOLDER/pid; echo started');
  const pid = pidIn(join(folder, 'pid'));
  try {
    assert.deepEqual([result.ok, result.output], [true, 'started']);
    assert.ok(performance.now() - from < 10_000);
    assert.ok(await isAlive(pid));
  } finally {
    process.kill(pid, 'SIGKILL');
  }
});

test('a hook that an agent before left running is waited for, and ended at its own limit', bound, async (t) => {
  const { folder, record } = hooks(t);
  const orphan = spawn('sh', ['-c', 'while [ ! -e go ]; do sleep 0.02; done'], {
    cwd: folder,
    detached: true,
    stdio: 'ignore',
  });
  const identity = (await identify(orphan.pid!))!;
  writeFileSync(record, JSON.stringify({ ...identity, seconds: 60 }));
  let over = false;
  const waited = awaitOrphan(record).then((was) => {
    over = true;
    return was;
  });
  assert.ok((await lives(identity)) && !over);
  writeFileSync(join(folder, 'go'), '');
  assert.equal(await waited, true);
  assert.ok(!existsSync(record));

  const endless = spawn('sleep', ['1012'], { detached: true, stdio: 'ignore' });
  const its = (await identify(endless.pid!))!;
  writeFileSync(record, JSON.stringify({ ...its, seconds: 0.2 }));
  assert.equal(await awaitOrphan(record), true);
  assert.ok(!(await lives(its)));
});

test('a record of a process whose number is another one now harms nobody', bound, async (t) => {
  const { record } = hooks(t);
  const stranger = spawn('sleep', ['1013'], { stdio: 'ignore', detached: true });
  try {
    writeFileSync(record, JSON.stringify({ pid: stranger.pid, started: '1', seconds: 0.1 }));
    assert.equal(await awaitOrphan(record), false);
    assert.ok(await isAlive(stranger.pid!));
    for (const torn of ['', '{"pid":', '{}', '{"pid":1,"started":"0"}', '{"pid":-1,"started":"0"}', 'null']) {
      writeFileSync(record, torn);
      assert.equal(await awaitOrphan(record), false, torn);
    }
  } finally {
    stranger.kill('SIGKILL');
  }
});
