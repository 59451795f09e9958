import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import test from 'node:test';
import { Fleet, type Instance, run, until } from '../src/index.ts';
import { processesOf, signal } from '../src/processes.ts';

const skip = Fleet.unavailable() ?? false;
const bound = { skip, timeout: 60_000 };
const lives = (pid: number): boolean => existsSync(`/proc/${pid}`);
const exits = async (machine: Instance, script: string): Promise<number> =>
  (await machine.run(['sh', '-c', script], { check: false })).code;

test('a signal to a spawned process reaches it, not the gate to its machine', bound, async () => {
  await using fleet = await Fleet.create({ instances: 1 });
  const [one] = fleet.instances as [Instance];
  const script = 'trap "echo heard; exit 7" TERM; echo ready; while :; do sleep 0.05; done';
  const spawned = one.spawn(['sh', '-c', script], { log: 'trap.log' });
  await until('it is ready', async () => spawned.output().includes('ready'));
  const pid = spawned.pid!;
  assert.match(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /heard/, 'its number is the one on the host');
  spawned.kill();
  assert.equal(await spawned.exited, 7);
  assert.equal(spawned.output(), 'ready\nheard\n');
  assert.equal(lives(pid), false);
  assert.equal(spawned.pid, undefined);
  spawned.kill('SIGKILL'); // does no harm

  const frozen = one.spawn(['sh', '-c', 'while :; do echo tick; sleep 0.02; done'], { log: 'tick.log' });
  const state = (): string | undefined => /State:\t(\w)/.exec(readFileSync(`/proc/${frozen.pid}/status`, 'utf8'))?.[1];
  await until('it ticks', async () => frozen.output().includes('tick'));
  frozen.kill('SIGSTOP');
  await until('it stands still', async () => state() === 'T');
  const before = frozen.output();
  frozen.kill('SIGCONT');
  await until('it ticks again', async () => frozen.output().length > before.length);
  frozen.kill('SIGSTOP');
  await until('it stands still again', async () => state() === 'T');
  frozen.kill('SIGKILL');
  assert.equal(await frozen.exited, 137, 'its end is seen although it stood still');
});

test('a command runs inside, whatever its name: the gate runs nothing by itself', bound, async () => {
  await using fleet = await Fleet.create({ instances: 1 });
  const [one] = fleet.instances as [Instance];
  const inside = (await one.run(['readlink', '/proc/self/ns/pid'])).stdout.trim();
  assert.match(inside, /^pid:/);
  assert.notEqual(inside, readlinkSync('/proc/self/ns/pid'));
  // names that a shell takes for its own; its `kill` does not know this option
  assert.equal((await one.run(['kill', '--version'])).code, 0);
  for (const builtin of ['cd', 'exit', 'ulimit', 'trap'])
    assert.equal((await one.run([builtin], { check: false })).code, 127, builtin);
});

test('the testbed signals single processes only, and lists none of the host', () => {
  for (const pid of [1, 0, -1, -process.pid, Number.NaN, 1.5])
    assert.throws(() => signal(pid, 'SIGCONT'), /may signal/);
  assert.throws(() => processesOf(readlinkSync('/proc/self/ns/pid')), /the host/);
});

test('a command that takes too long is ended with all that it started, and says so', bound, async () => {
  await using fleet = await Fleet.create({ instances: 1 });
  const [one] = fleet.instances as [Instance];
  const late = one.run(['sh', '-c', 'echo begun; sleep 1001 & sleep 1002'], { timeout: 300, check: false });
  await assert.rejects(late, /did not end within 0\.3 s\nbegun/);
  assert.deepEqual(one.processes(), []);
  assert.equal(await exits(one, 'kill -9 $$'), 137, 'an end by a signal has the code that a shell gives');
  assert.equal((await one.run(['cat'], { input: 'said' })).stdout, 'said');
  const missing = await one.run(['no-such-command', 'a b'], { check: false });
  assert.equal(missing.code, 127);
  const spoken = await one.run(['sh', '-c', 'echo "$1"; echo "$2" >&2; kill -9 $$', 'x', 'a  b', "it's"], {
    check: false,
  });
  assert.deepEqual(spoken, { code: 137, stdout: 'a  b\n', stderr: "it's\n" }, 'words and output pass unchanged');
});

test(
  'stop asks everything inside to end, waits, and ends the rest; kill asks nobody; the disk stays',
  bound,
  async () => {
    await using fleet = await Fleet.create({ instances: 1 });
    const [one] = fleet.instances as [Instance];
    const orderly = 'trap "echo bye >/var/lib/quorate/bye; exit" TERM; echo ready; while :; do sleep 0.05; done';
    const deaf = 'trap "" TERM; echo ready; while :; do sleep 0.05; done';
    const both = async (): Promise<number[]> => {
      const spawned = [orderly, deaf].map((script, index) => one.spawn(['sh', '-c', script], { log: `${index}.log` }));
      await until('both are ready', async () => spawned.every((each) => each.output().includes('ready')));
      return one.processes();
    };
    let pids = await both();
    await one.stop({ patience: 500 });
    assert.equal(one.running, false);
    assert.deepEqual(pids.filter(lives), []);
    await one.start();
    assert.equal(await one.read('/var/lib/quorate/bye'), 'bye\n');
    assert.equal(readFileSync(one.path('/var/lib/quorate/bye'), 'utf8'), 'bye\n', 'the host finds it on the disk');

    await one.run([
      'sh',
      '-c',
      'rm /var/lib/quorate/bye; echo kept >/var/kept; echo gone >/run/gone; echo gone >/tmp/gone',
    ]);
    pids = await both();
    await one.kill();
    assert.deepEqual(pids.filter(lives), []);
    await assert.rejects(async () => one.run(['true']), /web-1 is not running: start it first/);
    await one.start();
    assert.equal(await exits(one, 'test -e /var/lib/quorate/bye'), 1, 'nobody was asked');
    assert.equal(await one.read('/var/kept'), 'kept\n');
    assert.equal(await exits(one, 'test -e /run/gone || test -e /tmp/gone'), 1, 'what is in memory does not stay');
  },
);

test(
  '/etc, /var, /run and /tmp are the instance\u2019s own, and its /etc begins as the host\u2019s',
  bound,
  async () => {
    await using fleet = await Fleet.create({ instances: 2 });
    const [one, two] = fleet.instances as [Instance, Instance];
    const name = `testbed-${process.pid}`;
    const folders = ['/etc', '/var', '/var/lib/quorate', '/var/log', '/run', '/tmp'];
    for (const folder of folders) {
      await one.run(['sh', '-c', `echo one >${folder}/${name}`]);
      assert.equal(await exits(two, `test -e ${folder}/${name}`), 1, `${folder} of another`);
      assert.equal(existsSync(`${folder}/${name}`), false, `${folder} of the host`);
    }
    assert.equal(await one.read('/etc/passwd'), readFileSync('/etc/passwd', 'utf8'));
    assert.deepEqual(readdirSync(one.path('/etc/nginx')), readdirSync('/etc/nginx'));
    assert.equal((await one.run(['nginx', '-t'])).code, 0);
    const sources = new URL('../src/index.ts', import.meta.url).pathname;
    assert.equal(await exits(one, `test -f '${sources}'`), 0, 'the sources are visible inside');
  },
);

test('what loses its parent inside is taken care of by process 1, and no zombie stays', bound, async () => {
  await using fleet = await Fleet.create({ instances: 1 });
  const [one] = fleet.instances as [Instance];
  await one.run(['sh', '-c', 'for i in 1 2 3; do (sleep 0.05 &); done']);
  await until('all are gone', async () => one.processes().length === 0);
  const { stdout } = await run(['ps', '-eo', 'stat,args']);
  assert.doesNotMatch(stdout, /^Z\S* +\[sleep\] <defunct>/m);
});
