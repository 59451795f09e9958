import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import test from 'node:test';
import { steered, type Tag } from '@quorate/model';
import { Backup, planRestore, restore } from '../../src/backup/index.ts';
import { removeTag, setTag } from '../../src/index.ts';
import { publishFiles } from '../publishing.ts';
import { backedUp, everything, Place, publishLine, restored } from './place.ts';

test('a restored store holds the same releases, heads and contents, and goes on from there', async () => {
  await using place = await Place.make();
  await using store = await place.filled();
  await backedUp(store, place.path('b.tar'));
  assert.deepEqual((await readdir(place.folder)).sort(), ['b.tar', 'store']);
  await using other = await place.store('other');
  assert.deepEqual(await restored(other, place.path('b.tar')), ['empty new', 'mail new', 'web new']);
  assert.deepEqual(await everything(other), await everything(store));
  assert.deepEqual(await other.releases('web'), [3, 4, 5]);
  const six = await publishFiles(other, await other.latest('web'), { next: '6' });
  assert.equal(six.release.number, 6);
  assert.deepEqual(await restored(other, place.path('b.tar')), ['empty same', 'mail same', 'web ahead']);
});

test('what had been taken back does not come back by a restore', async () => {
  await using place = await Place.make();
  await using store = await place.store('store');
  await publishLine(store, 'web', 2, (number) => ({ a: `${number}` }));
  const { head } = await publishFiles(store, await store.latest('web'), { a: 'bad' }, { rollout: { strategy: 'all' } });
  await store.steer('web', head, steered(head.rollout, 'abort', 'bad', { by: 'test', time: '' }));
  await backedUp(store, place.path('b.tar'));
  await using other = await place.store('other');
  await restored(other, place.path('b.tar'));
  assert.equal((await other.latest('web'))!.head.rollout?.state, 'back');
  assert.deepEqual(await everything(other), await everything(store));
});

test('tar and sha256sum read a backup', async () => {
  await using place = await Place.make();
  await using store = await place.filled();
  await backedUp(store, place.path('b.tar'));
  await using backup = await Backup.open(place.path('b.tar'));
  const shell =
    'mkdir x && tar -xf b.tar -C x && cd x && sha256sum -c --quiet --strict SHA256SUMS && sha256sum SHA256SUMS && find -type f';
  const [sums, ...files] = execFileSync('sh', ['-ec', shell], { cwd: place.folder, encoding: 'utf8' })
    .trim()
    .split('\n');
  assert.equal(sums, `${backup.sha256}  SHA256SUMS`);
  const format = JSON.parse(await readFile(place.path('x/format.json'), 'utf8'));
  assert.deepEqual([format.format, format.backup, format.store], [1, 'quorate', store.url]);
  assert.ok(files.includes('./bundles/web/releases/5.json') && files.includes('./bundles/web/head.json'));
});

test('a store behind is continued, one ahead is left as it is, and the history of both is completed', async () => {
  await using place = await Place.make();
  await using store = await place.store('store');
  await publishLine(store, 'web', 4, (number) => ({ a: `${number}` }));
  await backedUp(store, place.path('four.tar'));
  await publishLine(store, 'web', 4, (number) => ({ a: `${number}` }));
  await backedUp(store, place.path('eight.tar'));
  await using behind = await place.store('behind');
  await restored(behind, place.path('four.tar'));
  assert.deepEqual(await restored(behind, place.path('eight.tar')), ['web behind']);
  assert.deepEqual(await everything(behind), await everything(store));
  const before = await everything(store);
  await store.collect({ keep: 3 });
  assert.deepEqual(await store.releases('web'), [6, 7, 8]);
  assert.deepEqual(await restored(store, place.path('eight.tar')), ['web same']);
  assert.deepEqual(await everything(store), before);
});

test('where lines differ nothing at all is restored, and what differs is named', async () => {
  await using place = await Place.make();
  await using store = await place.filled();
  await backedUp(store, place.path('b.tar'));
  await using other = await place.store('other');
  await publishLine(other, 'mail', 3, (number) => ({ relay: `another ${number}` }));
  await publishLine(other, 'web', 2, (number) => ({ a: `${number}` }));
  const before = await everything(other);
  await assert.rejects(restored(other, place.path('b.tar')), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'DIVERGED');
    assert.match(
      error.message,
      /mail has another release 1 in the store\n.*in the backup by suite at .*\n.*in the store {2}by suite at/,
    );
    assert.match(
      error.message,
      /web has no release in common: the backup holds 3 to 5, and the store, at 2, keeps none/,
    );
    assert.match(error.message, /nothing was restored/);
    return true;
  });
  assert.deepEqual(await everything(other), before);
  await using backup = await Backup.open(place.path('b.tar'));
  const lines = await planRestore(other, backup, ['empty']);
  await restore(other, backup, lines);
  assert.deepEqual(await other.bundles(), ['empty', 'mail', 'web']);
  await assert.rejects(planRestore(other, backup, ['nosuch']), {
    code: 'NOT_FOUND',
    message: /it holds empty, mail, web/,
  });
});

test('lines that part in the middle are told by the first release that differs', async () => {
  await using place = await Place.make();
  await using store = await place.store('store');
  await publishLine(store, 'web', 2, (number) => ({ a: `${number}` }));
  await backedUp(store, place.path('two.tar'));
  await using other = await place.store('other');
  await restored(other, place.path('two.tar'));
  for (const each of [store, other]) await publishLine(each, 'web', 3, (number) => ({ a: `${number} of ${each.url}` }));
  await backedUp(store, place.path('five.tar'));
  await assert.rejects(restored(other, place.path('five.tar')), {
    code: 'DIVERGED',
    message: /another release 3 in the store/,
  });
});

test('an empty store is backed up and restored as nothing', async () => {
  await using place = await Place.make();
  await using store = await place.store('store');
  await backedUp(store, place.path('b.tar'));
  await using other = await place.store('other');
  assert.deepEqual(await restored(other, place.path('b.tar')), []);
  assert.deepEqual(await readdir(place.folder), ['b.tar']);
});

test('while others publish and collect, a backup is of one moment for each bundle, and whole', async () => {
  await using place = await Place.make();
  await using store = await place.store('store');
  for (const bundle of ['a', 'b', 'c'])
    await publishLine(store, bundle, 6, (number) => ({ one: `${number}`, two: `${number}` }));
  let done = false;
  const others = (async () => {
    await using publisher = await place.store('store');
    for (; !done; ) {
      for (const bundle of ['a', 'b', 'c'])
        await publishLine(publisher, bundle, 1, (number) => ({ one: `${number}`, two: `${number}` }));
      await publisher.collect({ keep: 2 });
    }
  })();
  try {
    for (let round = 0; round < 15; round++) {
      await backedUp(store, place.path(`${round}.tar`));
      await using backup = await Backup.open(place.path(`${round}.tar`));
      assert.deepEqual(
        backup.lines.map(({ bundle }) => bundle),
        ['a', 'b', 'c'],
      );
    }
  } finally {
    done = true;
    await others;
  }
});

test('tags come back with their releases, what the store has named itself stays, and the audit log can be read', async () => {
  await using place = await Place.make();
  await using store = await place.filled();
  const tag = (name: string, release: number): Tag => ({ name, release, protected: true, author: 'mia', time: '' });
  for (const [name, release] of [
    ['stable', 4],
    ['old', 3],
  ] as const)
    await setTag(store, 'web', tag(name, release));
  await backedUp(store, place.path('b.tar'));
  await using other = await place.store('other');
  await restored(other, place.path('b.tar'));
  assert.deepEqual((await other.tags('web')).tags, [tag('old', 3), tag('stable', 4)]);
  assert.deepEqual((await other.tags('mail')).tags, []);
  await publishLine(other, 'web', 4, (number) => ({ a: `${number}` }));
  await other.collect({ keep: 1 });
  assert.deepEqual(await other.releases('web'), [3, 4, 5, 6, 7, 8, 9]);
  await setTag(other, 'web', tag('stable', 5), { mayMove: true });
  await removeTag(other, 'web', 'old');
  await restored(other, place.path('b.tar'));
  assert.deepEqual((await other.tags('web')).tags, [tag('old', 3), tag('stable', 5)]);
  await using backup = await Backup.open(place.path('b.tar'));
  assert.deepEqual(await backup.audit(), await store.audit({ most: 100 }));
  assert.ok((await backup.audit()).some(({ what }) => what === 'web release 5'));
});

test('a tag that went while a backup was interrupted, and one of a release that is not in it, are in none', async () => {
  await using place = await Place.make();
  await using store = await place.filled();
  await setTag(store, 'web', { name: 'gone', release: 5, author: '', time: '' });
  const told = new AbortController();
  const late = backedUp(store, place.path('b.tar'), {
    signal: told.signal,
    progress: ({ releases }) => releases === 4 && told.abort(),
  });
  await assert.rejects(late, { name: 'AbortError' });
  await removeTag(store, 'web', 'gone');
  await backedUp(store, place.path('b.tar'));
  await using backup = await Backup.open(place.path('b.tar'));
  assert.deepEqual(
    backup.lines.map(({ tags }) => tags),
    [[], [], []],
  );
});
