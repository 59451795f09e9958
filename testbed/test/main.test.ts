import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Fleet, run, until } from '../src/index.ts';

const skip = Fleet.unavailable() ?? false;
const bound = { skip, timeout: 60_000 };
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

const assertGone = async (pid: number): Promise<void> => {
  assert.doesNotMatch((await run(['ip', 'netns', 'list'])).stdout, new RegExp(`^qr-${pid}-`, 'm'));
  assert.ok(!readdirSync(tmpdir()).some((name) => name.startsWith(`quorate-fleet-${pid}-`)));
};

test('a person is shown the machines, cuts, kills and starts them by lines, and nothing is left', bound, async () => {
  const lines = [
    'run 1 hostname',
    'kill 2',
    'run 2 true',
    'start 2',
    'run 2 hostname',
    'heal',
    'add',
    'run 3 hostname',
    'kill 4',
    'nonsense',
  ];
  const child = spawn(process.execPath, [MAIN, '--instances', '2'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      said += chunk;
    });
  child.stdin.end(lines.join('\n'));
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 0, said);
  for (const line of ['web-1', 'web-2', 'web-3', 'web-2 is not running: start it first']) {
    assert.ok(said.split('\n').includes(line), `${line} in ${said}`);
  }
  assert.match(said, /web-1 +10\.77\.0\.11 +zone a +nsenter -t \d+ .* bash/);
  assert.match(said, /there is no machine 4: 1 to 3/);
  assert.match(said, /partition N,N … N,N …/, 'what it does not know makes it tell what it does');
  await assertGone(child.pid!);
});

test('the command that it shows leads into the machine, and a signal ends it all', bound, async () => {
  const child = spawn(process.execPath, [MAIN, '--instances', '1'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  const exited = new Promise((resolve) => child.once('close', resolve));
  try {
    const door = await until('it shows the door', async () => /nsenter .* bash/.exec(said)?.[0], 20_000);
    const inside = await run(['sh', '-c', `${door} -ic 'hostname; setsid --wait quorate --version'`]);
    assert.match(inside.stdout, /^web-1\n\d+\.\d+\.\d+/, inside.stderr);
  } finally {
    child.kill('SIGTERM');
  }
  assert.equal(await exited, 143);
  await assertGone(child.pid!);
});

test('what it cannot understand is told, with how to use it', { timeout: 20_000 }, async () => {
  for (const args of [['--instances', 'x'], ['--instances', '0'], ['--nonsense']]) {
    const { code, stderr } = await run([process.execPath, MAIN, ...args], { check: false });
    assert.equal(code, 2);
    assert.match(stderr, /Usage: npm run testbed/);
  }
});
