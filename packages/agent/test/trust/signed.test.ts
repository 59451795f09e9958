import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { publicKeyText, type Release } from '@quorate/model';
import { type Latest, openStore, publishManifest, rollback, type Store } from '@quorate/store';
import { openBundle } from '../../src/disk/index.ts';
import { applyOnce, bundlePlace, SignedReleases } from '../../src/index.ts';
import { manifestWith } from '../disk/fixture.ts';
import { define, Machine } from '../machine.ts';

const ANN = generateKeyPairSync('ed25519').privateKey;
const EVE = generateKeyPairSync('ed25519').privateKey;
const trust = { keys: [{ key: publicKeyText(ANN), name: 'ann' }] };

/** A store in the hands of somebody else: it serves what it is told to. */
function captured(store: Store, shown: Release): Store {
  const latest = async (): Promise<Latest> => ({
    release: shown,
    head: { format: 1, release: shown.number, digest: shown.digest, version: 'x' },
  });
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'latest') return latest;
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function publishSigned(store: Store, text: string, sign = ANN, definition: object = {}): Promise<Release> {
  const base = await store.latest('web');
  const { manifest, contents } = manifestWith({ 'app.conf': text });
  const what = {
    bundle: 'web',
    ...(base ? { base } : {}),
    definition: define(definition),
    manifest,
    read: async (hash: string) => contents.get(hash)!,
    author: 'ann',
    message: text,
  };
  return (await publishManifest(store, what, { sign })).release;
}

test('an instance takes signed releases alone: nothing that a captured store shows gets further', async () => {
  await using machine = new Machine();
  await using store = await openStore(`dir:${machine.storeFolder}`);
  const settings = machine.settings({ trust });
  const now = async (from: Store = store): Promise<[string, number, string]> => {
    const { state, applied, detail } = (await applyOnce(settings, { store: from, only: ['web'] })).bundles.web!;
    assert.deepEqual(machine.disk.read('etc/app'), { 'app.conf': String(applied) });
    return [state, applied, detail ?? ''];
  };
  const one = await publishSigned(store, '1');
  assert.deepEqual(await now(), ['applied', 1, '']);
  await publishSigned(store, '2');
  assert.deepEqual(await now(), ['applied', 2, '']);

  for (const [shown, why] of [
    [one, /is older than release 2/],
    [{ ...one, number: 3, parent: 2 }, /not as it was signed/],
    [{ ...one, number: 3, signature: undefined }, /is not signed/],
  ] as [Release, RegExp][]) {
    const [state, applied, detail] = await now(captured(store, shown));
    assert.deepEqual([state, applied], ['refused', 2]);
    assert.match(detail, why);
  }

  const back = await rollback(store, { bundle: 'web', to: 1, author: 'ann', message: 'back' }, { sign: ANN });
  assert.equal(back.release.number, 3);
  assert.equal((await applyOnce(settings, { store })).bundles.web?.applied, 3);
  assert.deepEqual(machine.disk.read('etc/app'), { 'app.conf': '1' });
});

test('no command of a release that nobody trusted signed is run, not even to validate it, and an offer is not remembered', async () => {
  await using machine = new Machine();
  await using store = await openStore(`dir:${machine.storeFolder}`);
  const settings = machine.settings({ trust });
  await publishSigned(store, '1');
  await applyOnce(settings, { store });
  const ran = join(machine.disk.folder, 'ran');
  const command = { command: `touch ${ran}` };
  const hostile = await publishSigned(store, '2', EVE, { validate: command, reload: command, health: command });
  const bundle = await openBundle(bundlePlace(settings, 'web'));
  const none = {
    manifest: () => Promise.reject(new Error('nothing is fetched of it')),
    blob: () => Promise.reject(new Error('nothing is fetched of it')),
  };
  const verdict = await bundle.offer(hostile, none);
  assert.ok(!verdict.ok && verdict.by === 'policy' && /none of the keys/.test(verdict.reason), JSON.stringify(verdict));
  await assert.rejects(bundle.apply(hostile, none), { code: 'NOT_SIGNED' });
  assert.ok(!existsSync(ran));

  // of two that are offered under one number either may become the release
  const signed = new SignedReleases(settings.state, 'web', trust.keys);
  await using other = await openStore(`dir:${join(machine.disk.folder, 'other')}`);
  const [first, second] = [await publishSigned(other, 'a'), await publishSigned(other, 'b')];
  const fresh = new SignedReleases(settings.state, 'fresh', trust.keys);
  assert.throws(() => fresh.check(first), { code: 'NOT_SIGNED', message: /is one of web in truth/ });
  assert.throws(() => signed.check(first), /is another one than this instance has taken/);
  assert.throws(() => signed.check(second), /was made upon another release 1/);
  assert.equal(signed.forget()?.number, 1);
  signed.check(second);
  signed.take(first);
  signed.take(second);
  assert.throws(() => signed.take(first), /is older than release 2/);
});
