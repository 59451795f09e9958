import assert from 'node:assert/strict';
import { chmodSync, statSync } from 'node:fs';
import test from 'node:test';
import { Place, type Result } from '../place.ts';

const done = ({ code, stdout, stderr }: Result): string => {
  assert.equal(code, 0, stdout + stderr);
  return stdout;
};

test('signed releases, from the key to the instance that takes nothing else', async () => {
  using place = new Place();
  const quorate = (...args: string[]): Promise<Result> => place.quorate(args);
  place.write('a/etc/app/app.conf', '1\n');
  const key = done(await quorate('key', 'new', 'key')).trim();
  assert.match(key, /^ed25519:[\w-]{43}$/);
  assert.equal(statSync(place.path('key')).mode & 0o777, 0o600);
  assert.equal(done(await quorate('key', 'show', 'key')).trim(), key);
  assert.match((await quorate('key', 'new', 'key')).stderr, /key is there already/);
  place.write('settings.yaml', `trust: { require: signed, keys: ['${key}'] }\n`);
  const here = (...args: string[]): Promise<Result> =>
    quorate('--config', 'settings.yaml', '--root', 'a', '--yes', ...args);

  const silent = await here('import', 'app', '/etc/app');
  assert.equal(silent.code, 4);
  assert.match(silent.stderr, /takes signed releases alone.*\n→ sign it: --sign KEY/);
  done(await here('import', 'app', '/etc/app', '--sign', 'key'));
  assert.match(done(await quorate('show', 'app')), new RegExp(`^signed {3}by ${key}$`, 'm'));

  place.write('work/app.conf', '2\n');
  done(await quorate('publish', 'app', 'work', '--yes'));
  const once = await here('agent', '--once');
  assert.equal(once.code, 4, once.stdout + once.stderr);
  assert.match(once.stdout + once.stderr, /refused.*release 2 of app is not signed.*publish it again with --sign/);
  assert.equal(place.read('a/etc/app/app.conf'), '1\n');

  const env = { QUORATE_SIGN_KEY: place.read('key') };
  place.write('work/app.conf', '3\n');
  done(await place.quorate(['publish', 'app', 'work', '--yes'], { env }));
  const three = await here('agent', '--once');
  assert.match(done(three), /app: applied, release 3/);

  // as a pipeline does it
  place.write('work/app.conf', '3 by CI\n');
  const job = { GITHUB_ACTIONS: 'true', GITHUB_ACTOR: 'mia', GITHUB_SHA: 'abc', GITHUB_REPOSITORY: 'org/repo' };
  const args = ['--store', 'dir:ci', '--json', '--yes'];
  place.copy('store', 'ci');
  const ci = await place.quorate(['publish', 'app', 'work', '-m', 'why', ...args], {
    env: { ...env, ...job, QUORATE_AUTHOR: '' },
  });
  assert.equal(JSON.parse(done(ci)).release, 4);
  const shown = JSON.parse(done(await quorate('show', 'app', ...args)));
  assert.deepEqual(
    [shown.author, shown.message],
    ['mia@github', 'why\n\nCommit: https://github.com/org/repo/commit/abc'],
  );

  place.copy('store', 'old');
  done(await place.quorate(['rollback', 'app', '--to', '1', '--yes'], { env }));
  assert.match(done(await here('agent', '--once')), /app: applied, release 4/);
  assert.equal(place.read('a/etc/app/app.conf'), '1\n');
  const setBack = await here('--store', 'dir:old', 'agent', '--once');
  assert.equal(setBack.code, 4);
  assert.match(setBack.stdout + setBack.stderr, /release 3 of app is older than release 4.*quorate key forget/);
  assert.match(done(await here('key', 'forget', 'app')), /release 4 of app is forgotten/);
  assert.match(done(await here('--store', 'dir:old', 'agent', '--once')), /app: applied, release 3/);
  assert.match(done(await here('key', 'forget', 'none')), /remembers no release of none/);

  place.write('rubbish', 'x');
  chmodSync(place.path('rubbish'), 0o600);
  place.write('open', place.read('key'));
  const { generateKeyPairSync } = await import('node:crypto');
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  place.write('ec', other.export({ type: 'pkcs8', format: 'pem' }));
  chmodSync(place.path('ec'), 0o600);
  for (const [file, code, said] of [
    ['rubbish', 2, /rubbish is no private key in PEM/],
    ['open', 4, /open can be read by others\n→ chmod 600 open/],
    ['ec', 2, /ec is a key for ec, not for Ed25519/],
    ['nothing', 2, /nothing is not there\n→ `quorate key new FILE` makes one/],
  ] as const) {
    const wrong = await quorate('publish', 'app', 'work', '--yes', '--sign', file);
    assert.equal(wrong.code, code, wrong.stderr);
    assert.match(wrong.stderr, said);
  }
  for (const [settings, said] of [
    ['trust: { require: signed, keys: [] }', /trust\.keys: one key at least/],
    ['trust: { require: signed, keys: [ed25519:x] }', /trust\.keys\.0: .*public key/],
    ['trust: { keys: [] }', /trust\.require: is missing/],
  ] as const) {
    place.write('settings.yaml', settings);
    const wrong = await here('agent', '--once');
    assert.equal(wrong.code, 2, settings);
    assert.match(wrong.stderr, said);
  }
});
