import assert from 'node:assert/strict';
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { applyOnce } from '../src/index.ts';
import { Machine } from './machine.ts';

const ONE = { 'app.conf': 'one' };
const TWO = { 'app.conf': 'two' };

test('what the heads say is put in place, and nothing is left running or locked', async () => {
  await using machine = new Machine();
  await machine.publish(ONE);
  await machine.publish(TWO, { root: '/etc/other', link: 'files' }, 'other');
  const once = await applyOnce(machine.settings());
  assert.deepEqual(
    Object.entries(once.bundles).map(([name, { state, applied }]) => [name, state, applied]),
    [
      ['other', 'applied', 1],
      ['web', 'applied', 1],
    ],
  );
  assert.deepEqual([machine.disk.read('etc/app'), machine.disk.read('etc/other')], [ONE, TWO]);
  await machine.publish(TWO);
  assert.equal((await applyOnce(machine.settings(), { only: ['web'] })).bundles.web?.applied, 2);
});

test('a root that holds nothing yet gets /etc and its like, and nothing deeper', async () => {
  await using machine = new Machine();
  await machine.publish(ONE);
  await machine.publish(TWO, { root: '/opt/vendor/app' }, 'vendor');
  const root = machine.disk.path('fresh');
  const { bundles } = await applyOnce(machine.settings({ root, state: machine.disk.path('fresh-state') }));
  assert.deepEqual(
    Object.entries(bundles).map(([name, { state }]) => [name, state]),
    [
      ['vendor', 'missing-parent'],
      ['web', 'applied'],
    ],
  );
  assert.equal(readFileSync(join(root, 'etc/app/app.conf'), 'utf8'), 'one');
  assert.ok(!existsSync(join(root, 'opt')));
});

test('only the bundles of the instance are applied, unless others are asked for', async () => {
  await using machine = new Machine();
  await machine.publish(ONE);
  await machine.publish(TWO, { root: '/etc/other' }, 'other');
  const once = await applyOnce(machine.settings({ bundles: ['other'] }));
  assert.deepEqual(Object.keys(once.bundles), ['other']);
  assert.ok(!existsSync(machine.disk.path('etc/app')));
  await applyOnce(machine.settings({ bundles: ['other'] }), { only: ['web'] });
  assert.deepEqual(machine.disk.read('etc/app'), ONE);
});

test('without a store what was applied last is in place, and why there is no more is told', async () => {
  await using machine = new Machine();
  await machine.publish(ONE);
  await applyOnce(machine.settings());
  const alone = await applyOnce(machine.settings({ store: 'zk://127.0.0.1:1/quorate' }), { connectTimeout: 100 });
  assert.equal(alone.bundles.web?.applied, 1);
  assert.ok(alone.unreachable);
  assert.deepEqual(machine.disk.read('etc/app'), ONE);
  assert.equal((await machine.status())?.store.reachable, false);
});

test('what was edited since is told and left alone, whatever the policy', async () => {
  await using machine = new Machine();
  await machine.publish({ ...ONE, 'other.conf': 'x' }, { drift: 'restore' });
  assert.equal((await applyOnce(machine.settings())).bundles.web?.drift, undefined);
  writeFileSync(machine.disk.path('etc/app/app.conf'), 'by hand');
  const drift = { state: 'reported', edits: 1, paths: ['app.conf'] } as const;
  assert.deepEqual((await applyOnce(machine.settings())).bundles.web?.drift, drift);
  assert.deepEqual((await machine.bundle())?.drift, drift);
  assert.equal(machine.disk.read('etc/app')['app.conf'], 'by hand');
  await machine.publish(TWO);
  assert.equal((await applyOnce(machine.settings())).bundles.web?.drift, undefined);
});

test('commands are not run while an image is built, and one release that is refused stops no other', async () => {
  await using machine = new Machine();
  const reload = { command: 'exit 1', settle: 0 };
  await machine.publish(ONE, { reload });
  await machine.publish(ONE, { root: '/usr/bin/app' }, 'bad');
  const { bundles } = await applyOnce(machine.settings({ hooks: false }));
  assert.deepEqual([bundles.web?.state, bundles.bad?.state], ['applied', 'refused']);
  assert.match(
    bundles.bad!.detail!,
    /\/usr\/bin\/app is not in a folder that this instance allows .* list it under `roots:`/,
  );
  assert.ok(lstatSync(machine.disk.path('etc/app')).isSymbolicLink());
});

test('beside a running agent it does nothing but say so', async () => {
  await using machine = new Machine();
  await machine.publish(ONE);
  machine.start();
  await machine.until({ applied: 1 });
  await assert.rejects(applyOnce(machine.settings()), { code: 'LOCKED' });
  assert.ok(existsSync(join(machine.disk.state, 'web/current')));
});

test('folders that it makes can be read by others, whatever mask it was started with', async (t) => {
  const before = process.umask(0o077);
  t.after(() => process.umask(before));
  await using machine = new Machine();
  await machine.publish({ 'd/app.conf': 'one' });
  await applyOnce(machine.settings());
  for (const path of ['web', 'web/releases', 'web/releases/1', 'web/releases/1/d'])
    assert.equal(lstatSync(join(machine.disk.state, path)).mode & 0o777, 0o755, path);
  assert.equal(lstatSync(join(machine.disk.state, 'web/packs')).mode & 0o777, 0o700);
});
