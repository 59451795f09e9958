import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { definitionOf, encodeSecrets, fleetOf, SECRETS_FILE, SECRETS_FORMAT, secretPath } from '@quorate/model';
import { encryptValue, makeIdentity, type SecretReader, secretReader } from '../../src/secrets/index.ts';
import type { TemplateMachine } from '../../src/templates/index.ts';
import { Disk, type Files, makeRelease } from '../disk/fixture.ts';

const VALUE = 'correct horse battery';
const instance = { id: 'web-1', host: 'web-1', tags: {} };

/** A machine with an identity in a file, and the files of a release that has a secret. */
async function setUp(disk: Disk): Promise<{ machine: TemplateMachine; files: Files }> {
  const { identity, recipient } = await makeIdentity();
  const path = join(disk.folder, 'identity');
  writeFileSync(path, identity, { mode: 0o600 });
  const { root, state } = disk;
  const secret: SecretReader = secretReader({
    store: 'dir:x',
    root,
    state,
    instance: 'web-1',
    secrets: { identity: path },
  });
  const record = encodeSecrets({ format: SECRETS_FORMAT, recipients: [recipient] });
  const files = {
    'app.conf': 'password={{ secret.db }}',
    'other.conf': 'plain',
    [SECRETS_FILE]: record.toString(),
    [secretPath('db')]: (await encryptValue(VALUE, [recipient])).toString(),
  };
  return { machine: { instance, fleet: async () => fleetOf([instance]), secret }, files };
}

const define = (more: object = {}) => definitionOf({ root: '/etc/app', templates: ['app.conf'], ...more });

test('a secret is in the file that reads it, and of its native files nowhere else', async () => {
  using disk = new Disk();
  const { machine, files } = await setUp(disk);
  const bundle = await disk.open({ machine });
  const one = makeRelease(define(), files);
  assert.deepEqual(await bundle.apply(one.release, one.fetch), { state: 'applied' });
  assert.deepEqual(disk.read('etc/app'), { 'app.conf': `password=${VALUE}`, 'other.conf': 'plain' });
  assert.match(disk.lines.join('\n'), /app\.conf has secrets in it, and mode 0644 lets every user read them/);
  const where = execFileSync('grep', ['-rlF', VALUE, disk.state], { encoding: 'utf8' }).trim().split('\n');
  for (const path of where) assert.match(path, /\/(packs\/\d+\.pack|releases\/1\/app\.conf)$/, path);
});

test('what a command says is shown without the value: when its reload fails, and when validation says no', async () => {
  using disk = new Disk();
  const { machine, files } = await setUp(disk);
  const bundle = await disk.open({ machine });
  const conf = disk.path('etc/app/app.conf');
  const reload = { command: `cat ${conf}; false` };
  const one = makeRelease(define(), { ...files, 'app.conf': 'nothing' });
  await bundle.apply(one.release, one.fetch);
  const two = makeRelease(define({ reload: { ...reload, settle: 0 } }), files, one);
  const { state, detail } = await bundle.apply(two.release, two.fetch);
  assert.equal(state, 'rolled-back');
  assert.match(detail!, /password=••••/);
  assert.doesNotMatch(detail!, /horse/);
  assert.doesNotMatch(readFileSync(join(disk.state, 'web/state.json'), 'utf8'), /horse/);
  if (process.geteuid?.() !== 0) return;
  const three = makeRelease(define({ validate: reload }), files, two);
  const verdict = await bundle.offer(three.release, three.fetch);
  assert.ok(!verdict.ok && verdict.by === 'validate');
  assert.match(verdict.output!, /password=••••/);
});

test('a secret that cannot be read here is a no with its file, and changes nothing', async () => {
  using disk = new Disk();
  const { machine, files } = await setUp(disk);
  using other = new Disk();
  const stranger = (await setUp(other)).machine;
  const one = makeRelease(define(), files);
  const verdict = await (await disk.open({ machine: stranger })).offer(one.release, one.fetch);
  assert.deepEqual(verdict, {
    ok: false,
    by: 'template',
    reason: 'the secret db cannot be read here: it is encrypted to others than this machine',
    file: secretPath('db'),
    line: 1,
    column: 1,
  });
  const unknown = makeRelease(define(), { ...files, 'app.conf': '{{ secret.none }}' });
  const no = await (await disk.open({ machine })).offer(unknown.release, unknown.fetch);
  assert.ok(!no.ok && /there is no secret\.none here/.test(no.reason));
  assert.deepEqual(disk.read('etc/app'), {});
});

test('a value that is kept elsewhere and changes there is rendered anew; one that cannot be asked for stays', async () => {
  using disk = new Disk();
  const { machine, files } = await setUp(disk);
  const place = join(disk.folder, 'value');
  writeFileSync(place, 'one');
  const record = encodeSecrets({ format: SECRETS_FORMAT, recipients: [], outside: { db: { file: place } } });
  const one = makeRelease(define(), { ...files, [SECRETS_FILE]: record.toString() });
  const bundle = await disk.open({ machine });
  await bundle.apply(one.release, one.fetch);
  assert.equal(disk.read('etc/app')['app.conf'], 'password=one');
  writeFileSync(place, 'two');
  await bundle.apply(one.release, one.fetch);
  assert.equal(disk.read('etc/app')['app.conf'], 'password=two');
  writeFileSync(place, '');
  assert.deepEqual(await bundle.apply(one.release, one.fetch), { state: 'applied' });
  assert.equal(disk.read('etc/app')['app.conf'], 'password=two');
});

test('what a plan shows has neither a value nor what a template makes of it, and says where only that changes', async () => {
  using disk = new Disk();
  const { machine, files } = await setUp(disk);
  const bundle = await disk.open({ machine });
  const one = makeRelease(define(), { ...files, 'app.conf': 'a={{ secret.db | base64_encode }}' });
  await bundle.apply(one.release, one.fetch);
  const two = makeRelease(define(), { ...files, 'app.conf': 'b={{ secret.db | base64_encode }} {{ secret.db }}' }, one);
  const { changes } = await bundle.offer(two.release, two.fetch, { plan: true });
  const hidden = Buffer.from('••••').toString('base64');
  assert.match(changes!, new RegExp(`\\n-a=${hidden}\\n.*\\n\\+b=${hidden} ••••\\n`));
  const { recipients } = JSON.parse(files[SECRETS_FILE]!);
  const other = { [secretPath('db')]: (await encryptValue('another', recipients)).toString() };
  const three = makeRelease(define(), { ...files, 'app.conf': 'a={{ secret.db | base64_encode }}', ...other }, one);
  const rotated = await bundle.offer(three.release, three.fetch, { plan: true });
  assert.equal(rotated.changes, '~app.conf: secrets in it change');
});
