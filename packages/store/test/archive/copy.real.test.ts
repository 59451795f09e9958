import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import test from 'node:test';
import { Copying, type Store, StoreError } from '../../src/index.ts';
import { everything, Place, publishLine } from '../backup/place.ts';

/** All releases from the archive's head up, as whoever leads copies them. */
async function copyAll(from: Store, to: Store, bundle: string): Promise<void> {
  const copying = new Copying(from, to);
  let expected = await to.latest(bundle);
  for (const next of await from.releases(bundle))
    if (next > (expected?.release.number ?? 0))
      expected = await copying.newest((await from.release(bundle, next))!, expected);
}

test('a store is copied with every release, page and content, and followed from there', async () => {
  await using place = await Place.make();
  const store = await place.filled();
  const archive = await place.store('archive');
  for (const bundle of await store.bundles()) await copyAll(store, archive, bundle);
  assert.deepEqual(await everything(archive), await everything(store));
  await publishLine(store, 'web', 3, (number) => ({ 'a.conf': `version ${number}`, new: `new ${number}` }));
  await copyAll(store, archive, 'web');
  assert.deepEqual(await everything(archive), await everything(store));
});

test('a lost store is filled again: the newest release first, and of its history as much as is to be kept', async () => {
  await using place = await Place.make();
  const archive = await place.store('archive');
  await publishLine(archive, 'web', 6, (number) => ({ 'a.conf': `version ${number}`, same: 'same' }));
  const store = await place.store('store');
  const copying = new Copying(archive, store, { archived: true });
  await copying.newest((await archive.latest('web'))!.release, undefined);
  assert.deepEqual(await store.releases('web'), [6]);
  await copying.history('web', 3);
  assert.deepEqual(await store.releases('web'), [4, 5, 6]);
  await copying.history('web');
  await copying.history('web');
  assert.deepEqual(await everything(store), await everything(archive));
});

test('content that the source has lost stops a copy before the head moves', async () => {
  await using place = await Place.make();
  const store = await place.store('store');
  await publishLine(store, 'web', 1, () => ({ 'a.conf': 'one' }));
  const archive = await place.store('archive');
  await rm(place.path('store/blobs'), { recursive: true });
  const { release } = (await store.latest('web'))!;
  await assert.rejects(
    new Copying(store, archive).newest(release, undefined),
    (error) => error instanceof StoreError && ['NOT_FOUND', 'CORRUPT'].includes(error.code),
  );
  assert.equal(await archive.latest('web'), undefined);
});
