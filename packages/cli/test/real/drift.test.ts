import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, chmodSync, existsSync, statSync } from 'node:fs';
import test, { after, before, describe } from 'node:test';
import type { InstanceStatus } from '@quorate/model';
import { Ensemble, reasonToSkip } from '../../../zookeeper/test/server.ts';
import { COMMAND, Place, type Result, run } from '../place.ts';
import { until as within } from '../until.ts';

/** On a machine with much else to do. ms */
const PATIENCE_MS = 180_000;
const until = <T>(what: string, look: () => Promise<T | false> | T | false): Promise<T> =>
  within(what, look, PATIENCE_MS);

const done = ({ code, stdout, stderr }: Result): string => {
  assert.equal(code, 0, stdout + stderr);
  return stdout;
};

describe('edits on a machine, by the command', () => {
  let place: Place;
  const quorate = (...args: string[]): Promise<Result> => place.quorate(['--root', 'a', ...args]);
  before(async () => {
    place = new Place();
    await place.machines('a');
    done(await quorate('import', 'web', '/etc/nginx'));
  });
  after(() => place[Symbol.dispose]());

  test('nothing was changed, and there is nothing to do', async () => {
    assert.match(done(await quorate('drift', 'show')), /web release 1 {2}as it is {2}drift: report/);
    assert.match(done(await quorate('drift', 'restore', 'web', '--yes')), /nothing to put back/);
    assert.match(done(await quorate('drift', 'adopt', 'web', '--yes')), /nothing to publish/);
  });

  test('show has the difference, for people and for programs', async () => {
    place.replace('a/etc/nginx/nginx.conf', '768', '4096');
    place.write('a/etc/nginx/conf.d/mine.conf', 'mine\n');
    chmodSync(place.path('a/etc/nginx/mime.types'), 0o600);
    const shown = done(await quorate('drift', 'show', 'web'));
    assert.match(shown, /web release 1 {2}3 paths differ {2}drift: report/);
    assert.match(shown, / {2}nginx\.conf was changed\n/);
    assert.match(shown, /^-\s+worker_connections 768;\n\+\s+worker_connections 4096;$/m);
    assert.match(shown, /^mime\.types: 0644 root:root becomes 0600 root:root$/m);
    assert.match(shown, /→ quorate drift adopt web .* quorate drift restore web/);
    const [json] = JSON.parse(done(await quorate('drift', 'show', '--json')));
    assert.deepEqual([json.bundle, json.release, json.drift], ['web', 1, 'report']);
    assert.deepEqual(
      json.edits.map(({ path, what }: { path: string; what: string }) => `${path} ${what}`),
      ['mime.types mode', 'nginx.conf content', 'conf.d/mine.conf added'],
    );
  });

  test('restore puts back the files that are named, and leaves the others', async () => {
    const no = await quorate('drift', 'restore', 'web', 'nginx.conf', 'none.conf', '--yes');
    assert.equal(no.code, 1);
    assert.match(no.stderr, /none\.conf of web is not edited here; nothing was put back\n→ what is: .*nginx\.conf/);
    const out = await quorate('drift', 'restore', 'web', '/etc/hosts', '--yes');
    assert.equal(out.code, 2);
    assert.match(out.stderr, /\/etc\/hosts is not in \/etc\/nginx/);
    assert.match(
      done(await quorate('drift', 'restore', 'web', '/etc/nginx/mime.types', '--yes')),
      /✓ mime\.types of web is as release 1 has it, 2 more edits are left alone/,
    );
    assert.equal(statSync(place.path('a/etc/nginx/mime.types')).mode & 0o777, 0o644);
    assert.match(place.read('a/etc/nginx/nginx.conf'), /4096/);
    chmodSync(place.path('a/etc/nginx/mime.types'), 0o600);
  });

  test('restore asks, puts back, and keeps what was edited', async () => {
    const asked = await quorate('drift', 'restore', 'web');
    assert.notEqual(asked.code, 0);
    assert.match(place.read('a/etc/nginx/nginx.conf'), /4096/);
    const json = JSON.parse(done(await quorate('drift', 'restore', 'web', '--yes', '--json')));
    assert.equal(json.restored.length, 3);
    assert.deepEqual([...json.kept].sort(), ['conf.d/mine.conf', 'nginx.conf']);
    assert.match(place.read('a/etc/nginx/nginx.conf'), /768/);
    assert.match(place.read('a/var/lib/quorate/web/aside/nginx.conf'), /4096/);
    assert.equal(statSync(place.path('a/etc/nginx/mime.types')).mode & 0o777, 0o644);
    assert.match(done(await quorate('drift', 'show', 'web')), /as it is.*\nkept in .*: .*nginx\.conf/);
  });

  test('adopt publishes it, as the person who says so', async () => {
    place.replace('a/etc/nginx/nginx.conf', '768', '2048');
    const adopted = done(await quorate('drift', 'adopt', 'web', '-m', 'more', '--author', 'mia', '--yes'));
    assert.match(adopted, /web release 2 is published/);
    const shown = done(await quorate('show', 'web', '2'));
    assert.match(shown, /author {3}mia/);
    assert.match(done(await quorate('show', 'web', '2:nginx.conf')), /2048/);
    done(await quorate('agent', '--once'));
    assert.match(done(await quorate('drift', 'show')), /web release 2 {2}as it is/);
  });

  test('what cannot be asked for is told, with what to do', async () => {
    const cases: [string[], number, RegExp][] = [
      [['drift', 'show', 'other'], 1, /no release of other is applied .*\n.*what is: web/],
      [['drift', 'restore', 'other'], 1, /no release of other/],
      [['drift', 'adopt', 'other'], 1, /no release of other/],
      [['drift', 'show', '../web'], 2, /\.\.\/web/],
      [['drift', 'restore'], 2, /missing required argument/],
      [['drift', 'undo'], 2, /undo/],
    ];
    for (const [args, code, message] of cases) {
      const result = await quorate(...args);
      assert.equal(result.code, code, `${args.join(' ')}: ${result.stdout}${result.stderr}`);
      assert.match(result.stderr, message, args.join(' '));
    }
  });
});

/** No machine takes the word `bad`. */
const DEFINITION = `
root: /etc/app
link: files
drift: adopt
validate: { command: '! grep -q bad "$QUORATE_ROOT/etc/app/app.conf"' }
`;
const lines = (first: string, last: string): string => `${first}\n2\n3\n4\n5\n6\n7\n${last}\n`;

describe('a fleet that adopts edits, on ZooKeeper', { skip: reasonToSkip ?? false }, () => {
  const names = ['a', 'b', 'c'] as const;
  let ensemble: Ensemble;
  let place: Place;
  const agents: ChildProcess[] = [];
  const settings = (): string[] => ['--config', '/dev/null', '--store', `zk://${ensemble.servers}/quorate`];
  const quorate = (...args: string[]): Promise<Result> => run([COMMAND, ...settings(), ...args], { cwd: place.folder });
  const on = (name: string): string[] => ['--root', name, '--state', `${name}-state`, '--instance', name];
  const instances = async (): Promise<InstanceStatus[]> => JSON.parse(done(await quorate('fleet', '--json'))).instances;
  const allHave = (text: string): Promise<unknown> =>
    until(`all have ${JSON.stringify(text)}`, async () =>
      names.every((name) => place.read(`${name}/etc/app/app.conf`) === text),
    );

  before(async () => {
    ensemble = await Ensemble.start({});
    place = new Place();
    for (const name of names) place.write(`${name}/etc/app/app.conf`, lines('1', '8'));
    place.write('definition.yaml', DEFINITION);
    for (const name of names)
      agents.push(
        spawn(process.execPath, [COMMAND, ...settings(), ...on(name), 'agent'], { cwd: place.folder, stdio: 'ignore' }),
      );
    await until('all show themselves', async () => (await instances()).length === names.length);
    done(await quorate(...on('a'), 'import', 'app', '/etc/app', '--definition', 'definition.yaml'));
    await until('all have it', async () =>
      (await instances()).every(({ bundles }) => bundles.app?.state === 'applied'),
    );
  });
  after(async () => {
    for (const child of agents) child.kill('SIGKILL');
    place[Symbol.dispose]();
    await ensemble[Symbol.asyncDispose]();
  });

  test('an edit on one machine is on all', async () => {
    place.write('b/etc/app/app.conf', lines('one', '8'));
    await allHave(lines('one', '8'));
    const [newest] = JSON.parse(done(await quorate('history', 'app', '--json')));
    assert.deepEqual([newest.number, newest.message], [2, 'edited on b: app.conf']);
    assert.match(newest.author, /@b$/);
  });

  test('of two machines that edit at once one comes second, and nothing of either is lost (P3)', async () => {
    place.write('a/etc/app/app.conf', lines('of a', '8'));
    place.write('c/etc/app/app.conf', lines('one', 'of c'));
    await allHave(lines('of a', 'of c'));
    const history: { number: number; parent: number }[] = JSON.parse(done(await quorate('history', 'app', '--json')));
    assert.deepEqual(
      history.map(({ number, parent }) => [number, parent]),
      [
        [4, 3],
        [3, 2],
        [2, 1],
        [1, 0],
      ],
    );
  });

  test('an edit that the fleet does not take stays where it is, is told with the reason, and is kept aside by the next release', async () => {
    appendFileSync(place.path('a/etc/app/app.conf'), 'bad\n');
    const drift = await until('it is refused', async () => {
      const found = (await instances()).find(({ id }) => id === 'a')!.bundles.app!;
      return found.drift?.state === 'refused' && found;
    });
    assert.match(drift.drift!.detail!, /says? no/);
    assert.equal(drift.state, 'applied');
    assert.match(place.read('a/etc/app/app.conf'), /bad/);
    assert.doesNotMatch(place.read('b/etc/app/app.conf'), /bad/);
    assert.match(done(await quorate('fleet')), /edited here, refused: app\.conf/);
    place.write('b/etc/app/app.conf', lines('next', 'of c'));
    await allHave(lines('next', 'of c'));
    const kept = `${lines('of a', 'of c')}bad\n`;
    const aside = 'a-state/app/aside/app.conf';
    await until('it is kept', () => existsSync(place.path(aside)) && place.read(aside) === kept);
  });

  test('an edit is put back by the agent that runs, when somebody asks', async () => {
    place.write('c/etc/app/app.conf', 'bad\n');
    await until('it is refused', async () => {
      const found = (await instances()).find(({ id }) => id === 'c')!.bundles.app!;
      return found.drift?.state === 'refused';
    });
    assert.match(
      done(await quorate(...on('c'), 'drift', 'restore', 'app', 'app.conf', '--yes')),
      /app is as release 5 has it/,
    );
    await allHave(lines('next', 'of c'));
  });
});
