import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { afterEach, beforeEach } from 'node:test';
import { readSettings } from '@quorate/agent';
import { type InitFlags, init } from '../src/commands/init.ts';

const THREE = '10.9.0.1,10.9.0.2,10.9.0.3';
let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'quorate-init-'));
  file = join(folder, 'etc/quorate.yaml');
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (flags: InitFlags, env: NodeJS.ProcessEnv = {}): Promise<number> =>
  init({ config: file, state: join(folder, 'state'), instance: 'web-2', ...flags }, env);

test('members become the ensemble, its store, and this machine in it', async () => {
  assert.equal(await write({ members: THREE, address: '10.9.0.2', zone: 'b' }), 0);
  const settings = await readSettings({ config: file }, {});
  assert.equal(settings.store, 'zk://10.9.0.1:2181,10.9.0.2:2181,10.9.0.3:2181/quorate');
  assert.deepEqual([settings.instance, settings.address, settings.zone], ['web-2', '10.9.0.2', 'b']);
  assert.equal(settings.member?.id, 2);
  assert.deepEqual(settings.member?.servers, { 1: '10.9.0.1', 2: '10.9.0.2', 3: '10.9.0.3' });
  assert.equal(statSync(file).mode & 0o777, 0o644);
});

test('ports of their own and IPv6 addresses are taken as they are', async () => {
  await write({ members: '[fd00::1]:1:2:3,[fd00::2]:1:2:3,[fd00::3]:1:2:3', address: 'fd00::3' });
  const settings = await readSettings({ config: file }, {});
  assert.equal(settings.store, 'zk://[fd00::1]:3,[fd00::2]:3,[fd00::3]:3/quorate');
  assert.deepEqual([settings.member?.id, settings.address], [3, '[fd00::3]']);
});

test('this machine finds itself among the members', async () => {
  await write({ members: '127.0.0.1' });
  assert.equal((await readSettings({ config: file }, {})).member?.id, 1);
});

test('a folder as the store is written whole, from a flag or from a variable', async () => {
  await write({ store: 'dir:shared' });
  assert.equal((await readSettings({ config: file }, {})).store, `dir:${process.cwd()}/shared`);
  await write({ yes: true }, { QUORATE_STORE: 'dir:/mnt/x', QUORATE_ZONE: 'z' });
  const { store, zone } = await readSettings({ config: file }, {});
  assert.deepEqual([store, zone], ['dir:/mnt/x', 'z']);
});

test('a settings file that is there is kept unless --yes says otherwise', async () => {
  await write({ store: 'dir:/a' });
  await assert.rejects(write({ store: 'dir:/b' }), { exit: 1, message: /is there already/, hint: /--yes/ });
  assert.match(readFileSync(file, 'utf8'), /dir:\/a/);
  await write({ store: 'dir:/b', yes: true });
  assert.match(readFileSync(file, 'utf8'), /dir:\/b/);
});

test('an archive is part of the settings, and of what the cluster begins with', async () => {
  await write({ address: '10.9.0.2', archive: 'dir:shared/archive', durability: 'archive' });
  const { archive, ensemble } = await readSettings({ config: file }, {});
  assert.deepEqual(archive, { to: `dir:${process.cwd()}/shared/archive`, durability: 'archive' });
  assert.deepEqual(ensemble?.founding.archive, archive);
});

test('an archive that not every machine can mean, and a durability that there is not, are told', async () => {
  const address = '10.9.0.2';
  await assert.rejects(write({ address, archive: 'archive' }), { exit: 2, hint: /s3:\/\/BUCKET\/PREFIX/ });
  await assert.rejects(write({ address, archive: 's3://b/p', durability: 'all' }), { exit: 2, message: /not all/ });
  assert.equal(existsSync(file), false);
});

test('each mistake is told with what to do, and nothing is written', async () => {
  const cases: [InitFlags, RegExp, RegExp][] = [
    [{ voters: '2', address: '10.9.0.1' }, /--voters is 1, 3, 5 or 7, not 2/, /even number/],
    [{ deadAfter: 'soon', address: '10.9.0.1' }, /--dead-after is a whole number/, /digits/],
    [{ store: 'foo' }, /"foo" is no store/, /dir:\/mnt/],
    [{ store: 'zk://' }, /is no store/, /zk:\/\/10/],
    [{ members: '10.9.0.1,10.9.0.2', address: '10.9.0.1' }, /2 members: an even number/, /1, 3 or 5/],
    [{ members: THREE }, /none of .* is an address of this machine/, /--address/],
    [{ members: THREE, address: '10.9.0.9' }, /10\.9\.0\.9 is none of/, /--address/],
    [{ members: '10.9.0.1,10.9.0.1,10.9.0.3' }, /10\.9\.0\.1:2181 twice/, /once/],
    [{ members: '127.0.0.1,10.9.0.2,10.9.0.3' }, /127\.0\.0\.1, which the other machines cannot reach/, /address/],
    [{ members: '10.9.0.1,,10.9.0.3' }, /--members: "" is not ADDRESS/, /commas/],
    [{ members: '10.9.0.1:80' }, /--members: .* is not ADDRESS or/, /commas/],
    [{ members: '::1' }, /--members: "::1" is not ADDRESS/, /brackets/],
    [{ members: '10.9.0.1:1:2:99999' }, /--members: 99999 is no port/, /./],
    [{ members: Array.from({ length: 9 }, (_, at) => `10.9.0.${at}`).join(',') }, /9 members: more than 7/, /3 or 5/],
  ];
  for (const [flags, message, hint] of cases)
    await assert.rejects(write(flags), { exit: 2, message, hint }, JSON.stringify(flags));
  await assert.rejects(write({ store: 'dir:/a', instance: 'a b' }), { code: 'BAD_SETTINGS', message: /instance:/ });
  assert.equal(existsSync(file), false);
});

test('a place that cannot be written is told', async () => {
  writeFileSync(join(folder, 'etc'), '');
  await assert.rejects(write({ store: 'dir:/a' }), { exit: 1, message: /cannot be written/, hint: /--config FILE/ });
});
