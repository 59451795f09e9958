import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import test, { after, before, describe } from 'node:test';
import { COMMAND, Place, type Result } from '../place.ts';

const done = ({ code, stdout, stderr }: Result): string => {
  assert.equal(code, 0, stdout + stderr);
  return stdout;
};
const VALUES = ['correct horse battery', 'staple of another kind', 'third time lucky'] as const;

describe('secrets, with nothing set up but a folder and an identity', () => {
  let place: Place;
  const all: Result[] = [];
  const on = async (machine: string, ...args: string[]): Promise<Result> => {
    const result = await place.quorate([
      '--root',
      machine,
      '--instance',
      machine,
      '--config',
      `${machine}.yaml`,
      ...args,
    ]);
    all.push(result);
    return result;
  };
  /** With the value on standard input. */
  const given = (value: string, ...args: string[]): Result => {
    const words = [COMMAND, '--config', 'a.yaml', '--store', 'dir:store', '--root', 'a', '--yes', ...args];
    const { status, stdout, stderr } = spawnSync(process.execPath, [...process.execArgv, ...words], {
      cwd: place.folder,
      input: value,
      encoding: 'utf8',
    });
    const result = { code: status, stdout, stderr };
    all.push(result);
    return result;
  };
  before(async () => {
    place = new Place();
    await place.machines('a', 'b', 'c');
    for (const machine of ['a', 'b'])
      place.write(`${machine}.yaml`, `secrets: {identity: ${place.path('identity')}}\n`);
    place.write('c.yaml', '{}\n');
    place.write('a/etc/app/app.conf', 'password none');
    place.write('app.yaml', 'root: /etc/app\ntemplates: [app.conf]\n');
    done(await on('a', 'import', 'app', '/etc/app', '--definition', 'app.yaml'));
  });
  after(() => place[Symbol.dispose]());

  test('without an identity it is said what to do, and one is made for its owner alone', async () => {
    const { code, stderr } = await on('c', 'secret', 'set', 'app', 'db', '--file', 'a.yaml', '--yes');
    assert.equal(code, 1);
    assert.match(stderr, /does not know whom to encrypt to.*\n→ run it on an instance, name the fleet by --recipient/);
    assert.match(done(await on('a', 'secret', 'key', 'identity')), /^age1[a-z0-9]+\n$/);
    assert.equal(statSync(place.path('identity')).mode & 0o777, 0o600);
    assert.match((await on('a', 'secret', 'key', 'identity')).stderr, /is there already/);
  });

  test('a value is set from standard input, read by templates on machines with the identity, and shown nowhere', async () => {
    const stdout = done(given(`${VALUES[0]}\n`, 'secret', 'set', 'app', 'db'));
    assert.match(stdout, /\+secret db: ••••/);
    place.write('work/app.conf', 'password={{ secret.db }};');
    done(await on('a', 'publish', 'app', 'work', '--yes', '--attributes', 'folder'));
    const warning =
      /^warn {2}app: app\.conf has secrets in it, and mode 0644 lets every user read them\napp: applied, release 3\n$/;
    assert.match(done(await on('b', 'agent', '--once')), warning);
    assert.equal(place.read('b/etc/app/app.conf'), `password=${VALUES[0]};`);
    assert.equal(done(await on('b', 'render', 'app:app.conf')), 'password=••••;');
    const shown = await on('b', 'render', 'app:app.conf', '--reveal');
    all.pop();
    assert.equal(done(shown), `password=${VALUES[0]};`);
    const refused = await on('c', 'agent', '--once');
    assert.notEqual(refused.code, 0);
    assert.match(refused.stdout + refused.stderr, /secret db cannot be read here: this machine has no identity/);
  });

  test('values change, are listed by name, and come back with an older release', async () => {
    place.write('value', VALUES[1]);
    done(await on('a', 'secret', 'set', 'app', 'db', '--file', 'value', '--yes'));
    done(await on('b', 'agent', '--once'));
    assert.equal(place.read('b/etc/app/app.conf'), `password=${VALUES[1]};`);
    assert.match(done(await on('c', 'secret', 'list', 'app')), /^db\nencrypted to age1/);
    done(await on('a', 'rollback', 'app', '--yes'));
    done(await on('b', 'agent', '--once'));
    assert.equal(place.read('b/etc/app/app.conf'), `password=${VALUES[0]};`);
  });

  test('rotation encrypts to a new identity; who has it alone reads what comes, and what was goes on being read by who has both', async () => {
    const old = place.read('identity');
    done(await on('a', 'secret', 'key', 'next'));
    const next = place.read('next');
    place.write('identity', next + old);
    assert.match(done(await on('a', 'secret', 'rotate', 'app', '--yes')), /~secret db: ••••/);
    place.write('identity', next);
    done(await on('b', 'agent', '--once'));
    assert.equal(place.read('b/etc/app/app.conf'), `password=${VALUES[0]};`);
    place.write('identity', old);
    assert.match((await on('b', 'render', 'app', '--reveal')).stderr, /encrypted to others than this machine/);
    place.write('identity', next + old);
  });

  test('a value may be kept elsewhere', async () => {
    place.write('outside', VALUES[2]);
    const from = `file:${place.path('outside')}`;
    done(await on('a', 'secret', 'set', 'app', 'db', '--from', from, '--yes'));
    assert.match(done(await on('a', 'secret', 'list', 'app')), /^db {2}from file:\//);
    done(await on('b', 'agent', '--once'));
    assert.equal(place.read('b/etc/app/app.conf'), `password=${VALUES[2]};`);
  });

  test('wrong input is refused, each with what to do', async () => {
    const cases: [string[], number, RegExp][] = [
      [['set', 'app', 'a-b', '--file', 'value'], 2, /is no name of a secret/],
      [['set', 'app', 'x', '--file', 'missing'], 1, /ENOENT/],
      [['set', 'app', 'x', '--from', 'vault:x'], 2, /is no place\n→ one of file:/],
      [['set', 'nothing', 'x', '--file', 'value'], 1, /nothing/],
      [['remove', 'app', 'none'], 1, /has no secret none/],
      [['rotate', 'other'], 1, /other/],
      [['set', 'app', 'x', '--file', 'value', '--recipient', 'nobody'], 2, /nobody is no recipient/],
    ];
    for (const [args, exit, message] of cases) {
      const { code, stderr } = await on('a', 'secret', ...args, '--yes');
      assert.match(stderr, message, args.join(' '));
      assert.equal(code, exit, args.join(' '));
    }
    assert.equal(given('', 'secret', 'set', 'app', 'x').code, 2);
  });

  test('a secret that is removed is in no later release, and templates that read it are refused', async () => {
    const refused = await on('a', 'secret', 'remove', 'app', 'db', '--yes');
    assert.equal(refused.code, 4);
    assert.match(refused.stderr, /this machine says no .*\n.*there is no secret\.db here/);
    const skipped = await on('a', 'secret', 'remove', 'app', 'db', '--yes', '--skip-vote', 'to see what b does');
    assert.match(done(skipped), /app release \d+ is published \(nobody was asked: to see what b does\)/);
    const { stdout, stderr } = await on('b', 'agent', '--once');
    assert.match(stdout + stderr, /there is no secret\.db here/);
    assert.equal(place.read('b/etc/app/app.conf'), `password=${VALUES[2]};`);
  });

  test('no value was ever in the store, or said by a command', () => {
    for (const value of VALUES) {
      const { status, stdout } = spawnSync('grep', ['-rlF', value, place.path('store')], { encoding: 'utf8' });
      assert.equal(status, 1, `${value} is in ${stdout}`);
      for (const { stdout, stderr } of all) assert.ok(!(stdout + stderr).includes(value), stdout + stderr);
      const kept = execFileSync('grep', ['-rlF', value, place.path('b/var')], { encoding: 'utf8' })
        .trim()
        .split('\n');
      for (const path of kept) assert.match(path, /\/(packs|releases)\//);
    }
  });
});
