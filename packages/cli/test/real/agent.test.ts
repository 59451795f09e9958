import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, renameSync, rmSync } from 'node:fs';
import test, { after, before, describe } from 'node:test';
import { COMMAND, Place, type Result } from '../place.ts';
import { until } from '../until.ts';

/** An agent as its own process, ended with its place. */
class RunningAgent implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  log = '';

  constructor(place: Place, name: string) {
    const settings = ['--config', '/dev/null', '--store', 'dir:store', '--root', name, '--instance', name];
    this.#child = spawn(process.execPath, [COMMAND, ...settings, 'agent'], {
      cwd: place.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.setEncoding('utf8').on('data', (text) => {
        this.log += text;
      });
    this.#ended = new Promise((resolve) => this.#child.once('exit', resolve));
  }

  end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal);
    return this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }
}

describe('with agents that run', () => {
  let place: Place;
  let agents: Record<'a' | 'b', RunningAgent>;
  const quorate = (...args: string[]): Promise<Result> => place.quorate(args);
  before(async () => {
    place = new Place();
    await place.machines('a', 'b');
    agents = { a: new RunningAgent(place, 'a'), b: new RunningAgent(place, 'b') };
    await until('both agents show themselves', async () => {
      const { stdout } = await quorate('fleet', '--json');
      return JSON.parse(stdout).instances.length === 2;
    });
  });
  after(async () => {
    for (const agent of Object.values(agents)) await agent[Symbol.asyncDispose]();
    place[Symbol.dispose]();
  });

  test('import leaves the adoption to the agent of the machine, and the other follows', async () => {
    place.write('a/etc/count', '');
    const reload = 'test ! -e "$QUORATE_ROOT/etc/nginx/broken" || { echo "broken is there" >&2; exit 7; }';
    const { code, stdout, stderr } = await quorate('--root', 'a', 'import', 'web', '/etc/nginx', '--reload', reload);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /is adopted/);
    await until('the other machine has it', () => existsSync(place.path('b/etc/nginx/nginx.conf')));
  });

  test('publish --wait shows each instance as it applies the release', async () => {
    await quorate('show', 'web', '--to', 'work');
    place.replace('work/nginx.conf', '768', '1024');
    const { code, stdout, stderr } = await quorate('publish', 'web', 'work', '-m', 'more', '--yes', '--wait');
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /is published .*; waiting for the fleet/);
    for (const name of ['a', 'b']) {
      assert.match(stdout, new RegExp(`✓ ${name} {2}applied after \\d+ ms`));
      assert.match(place.read(`${name}/etc/nginx/nginx.conf`), /1024/);
    }
  });

  test('a release that breaks the reload is refused: exit code 4 with the output, and the release before serves', async () => {
    place.write('work/broken', '');
    const args = ['publish', 'web', 'work', '-m', 'broken', '--yes', '--wait'];
    const { code, stdout } = await quorate(...args);
    assert.equal(code, 4, stdout);
    assert.match(stdout, /✖ a {2}rolled-back: release 3: reload: exit code 7[\s\S]*broken is there/);
    assert.equal(existsSync(place.path('b/etc/nginx/broken')), false);
    const status = await quorate('--root', 'a', 'status');
    assert.equal(status.code, 1);
    assert.match(status.stdout, /^web {5}2 {8}3 {7}rolled-back {2}release 3: reload: exit code 7/m);
    assert.match(status.stdout, /\nweb: release 3: .*\n {4}broken is there/);
    const fleet = await quorate('fleet');
    assert.match(fleet.stdout, /^head {2}web 3\n\ninstance {2}version {2}bundles\na .* web 2 rolled-back \(release 3/);
    const wanted = await quorate('rollback', 'web', '--yes', '--wait', '--json');
    assert.equal(wanted.code, 0, wanted.stderr);
    assert.equal(JSON.parse(wanted.stdout).instances.length, 2);
  });

  test('status is a plain yes when the agent runs and all is applied', async () => {
    const { code, stdout } = await quorate('--root', 'a', 'status');
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^a {2}Quorate .*\nagent {3}running \(pid \d+\)\nstore {3}dir:store {2}reachable\n/);
    const doctor = await quorate('--root', 'a', 'doctor');
    assert.match(doctor.stdout, /✓ agent {8}runs \(pid \d+\)/);
    assert.match(doctor.stdout, /✓ store {8}dir:store answers, bundles: web/);
  });

  test('two agents do not share a state folder, and unmanage waits for the end of the one that runs', async () => {
    const second = await quorate('--root', 'a', 'agent', '--once');
    assert.equal(second.code, 1);
    assert.match(second.stderr, /^quorate: another agent \(pid \d+\) has the state folder .*\n→ /);
    const { code, stderr } = await quorate('--root', 'a', 'unmanage', 'web', '--yes');
    assert.equal(code, 1);
    assert.match(stderr, /another agent \(pid \d+\)[\s\S]*→ stop the agent/);
    assert.ok(lstatSync(place.path('a/etc/nginx')).isSymbolicLink());
    assert.equal(await agents.a.end(), 0);
    assert.equal((await quorate('--root', 'a', 'unmanage', 'web', '--yes')).code, 0);
    assert.ok(lstatSync(place.path('a/etc/nginx')).isDirectory());
    assert.match(place.read('a/etc/nginx/nginx.conf'), /1024/);
  });

  test('an instance that is gone is waited for until the time is up, and then forgotten on request', async () => {
    const args = ['publish', 'web', 'work', '--base', '4', '-m', 'x', '--yes', '--wait', '1'];
    rmSync(place.path('work/broken'));
    rmSync(place.path('work/.quorate.json'));
    place.replace('work/nginx.conf', '1024', '2048');
    const late = await quorate(...args);
    assert.equal(late.code, 1, late.stdout + late.stderr);
    assert.match(late.stdout, /! not within 1 s: a$/m);
    assert.equal((await quorate('fleet', '--forget', 'a')).code, 0);
    const ids = JSON.parse((await quorate('fleet', '--json')).stdout).instances.map(({ id }: { id: string }) => id);
    assert.deepEqual(ids, ['b']);
  });

  test('a store that is taken away is told by the agent and by the command; what is applied stays', async () => {
    renameSync(place.path('store'), place.path('elsewhere'));
    await until('the agent tells', () => /the store is out of reach/.test(agents.b.log));
    const status = await quorate('--root', 'b', 'status');
    assert.match(status.stdout, /store {3}dir:store {2}not reachable: .*is the share mounted\?/);
    assert.match(readFileSync(place.path('b/etc/nginx/nginx.conf'), 'utf8'), /2048/);
    assert.equal(await agents.b.end('SIGINT'), 0);
  });
});
