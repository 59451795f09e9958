import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { blobsOf } from '@quorate/model';
import { readManifest } from '../src/index.ts';
import { DirectoryPlace } from './directory-place.ts';
import { publishFiles, publishTree, readTexts, Tree } from './publishing.ts';
import { failure, RememberingMount } from './remembering-mount.ts';
import { replaced } from './replaced.ts';

const isHead = (path: unknown): boolean => /heads\/\d+$/.test(String(path));

/** The next link(2) that makes a head fails so; `done` tells whether it is made nevertheless. */
function failingLink(error: 'EIO' | 'ESTALE' | 'ENOSPC' | 'EDQUOT' | 'EEXIST', done: boolean): Disposable {
  let failed = false;
  return replaced('link', (real) => async (from, to) => {
    if (failed || !isHead(to)) return real(from, to);
    failed = true;
    if (done) await real(from, to);
    throw failure(error, 'link');
  });
}

test('a machine whose mount remembers what was there publishes nothing that a collector has taken meanwhile', async () => {
  await using place = await DirectoryPlace.make();
  using mount = new RememberingMount();
  await using near = await place.open();
  await using far = await place.open();
  const one = await publishFiles(near, undefined, { a: 'one' });
  const [ref] = blobsOf(await readManifest(near, one.release));
  await mount.run(async () => assert.equal((await far.blob(ref!)).toString(), 'one'));
  const two = await publishFiles(near, one, { a: 'two' });
  await publishFiles(near, two, { a: 'three' });
  assert.equal((await near.collect({ keep: 1 })).blobs, 4);
  const four = await mount.run(async () => publishFiles(far, (await far.latest('web'))!, { a: 'one' }));
  assert.deepEqual(await readTexts(near, four), { a: 'one' });
});

test('a machine whose mount remembers that nothing was there finds what others have written since', async () => {
  await using place = await DirectoryPlace.make();
  using mount = new RememberingMount();
  await using near = await place.open();
  await using far = await place.open();
  const ref = { sha256: '7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed', size: 3 };
  await mount.run(async () => {
    assert.equal(await far.latest('web'), undefined);
    assert.equal(await far.release('web', 1), undefined);
    assert.deepEqual(await far.instances(), []);
    await assert.rejects(far.blob(ref), { code: 'NOT_FOUND' });
  });
  const one = await publishFiles(near, undefined, { a: 'one' });
  await near.report({ format: 1, id: 'i', host: 'h', version: '0', bundles: {} });
  await mount.run(async () => {
    assert.equal((await far.blob(ref)).toString(), 'one');
    assert.deepEqual(await far.release('web', 1), one.release);
    assert.deepEqual(await far.latest('web'), one);
    assert.equal((await far.instances()).length, 1);
  });
  assert.ok(mount.stale > 0, 'it remembered wrongly');
});

test('a link whose answer was lost is found out: the release stands once, and its publisher knows', async () => {
  for (const error of ['EIO', 'ESTALE', 'EEXIST'] as const) {
    await using place = await DirectoryPlace.make();
    await using store = await place.open();
    const one = await publishFiles(store, undefined, { a: '1' });
    using _failing = failingLink(error, true);
    const two = await publishFiles(store, one, { a: '2' });
    assert.equal(two.release.number, 2, error);
    assert.deepEqual(await store.latest('web'), two);
    assert.equal((await publishFiles(store, two, { a: '3' })).release.number, 3);
  }
});

test('a link that may still be made is an unknown outcome, and the same publication again settles it', async () => {
  await using place = await DirectoryPlace.make();
  await using store = await place.open();
  const one = await publishFiles(store, undefined, { a: '1' });
  {
    using _failing = failingLink('EIO', false);
    const publishing = publishFiles(store, one, { a: '2' }, { id: 'mine' });
    await assert.rejects(publishing, { code: 'UNKNOWN_OUTCOME', message: /release 2 of web/ });
  }
  const two = await publishFiles(store, one, { a: '2' }, { id: 'mine' });
  assert.equal(two.release.number, 2);
  assert.deepEqual(await store.releases('web'), [1, 2]);
});

test('a publication that was given up while its link failed says that its outcome is unknown, not that it was given up', async () => {
  await using place = await DirectoryPlace.make();
  await using store = await place.open();
  const one = await publishFiles(store, undefined, { a: '1' });
  const stop = new AbortController();
  using _failing = replaced('link', (real) => async (from, to) => {
    if (!isHead(to)) return real(from, to);
    stop.abort();
    throw failure('EIO', 'link');
  });
  const publishing = publishTree(store, one, new Tree({ a: '2' }), { signal: stop.signal });
  await assert.rejects(publishing, { code: 'UNKNOWN_OUTCOME' });
});

test('a head that could not be made durable is an unknown outcome, never a success', async () => {
  await using place = await DirectoryPlace.make();
  await using store = await place.open();
  const one = await publishFiles(store, undefined, { a: '1' });
  let failed = 0;
  using _failing = replaced('open', (real) => async (path, ...rest) => {
    const handle = await real(path, ...rest);
    if (String(path).endsWith('/heads'))
      handle.sync = () => {
        failed++;
        return Promise.reject(failure('EIO', 'fsync'));
      };
    return handle;
  });
  await assert.rejects(publishFiles(store, one, { a: '2' }), { code: 'UNKNOWN_OUTCOME' });
  assert.equal(failed, 1, 'a second fsync would have told nothing');
});

test('a full disk is told, whichever limit it is, and nothing was published', async () => {
  for (const error of ['ENOSPC', 'EDQUOT'] as const) {
    await using place = await DirectoryPlace.make();
    await using store = await place.open();
    const one = await publishFiles(store, undefined, { a: '1' });
    {
      using _failing = failingLink(error, false);
      await assert.rejects(publishFiles(store, one, { a: '2' }), { code: 'UNSUITABLE', message: /disk is full/ });
    }
    assert.deepEqual(await store.latest('web'), one);
    assert.equal((await publishFiles(store, one, { a: '2' })).release.number, 2);
  }
});

test('a publication stands when only its record in the history could not be written, and the next one writes it', async () => {
  await using place = await DirectoryPlace.make();
  await using store = await place.open();
  const records = join(place.folder, 'bundles/web/releases');
  let one: Awaited<ReturnType<typeof publishFiles>>;
  {
    using _failing = replaced('link', (real) => (from, to) => {
      if (String(to).startsWith(records)) return Promise.reject(failure('ENOSPC', 'link'));
      return real(from, to);
    });
    one = await publishFiles(store, undefined, { a: '1' });
    assert.deepEqual(await store.release('web', 1), one.release);
    assert.deepEqual(await readdir(records), []);
  }
  await publishFiles(store, one, { a: '2' });
  assert.deepEqual(await store.release('web', 1), one.release);
  assert.deepEqual((await readdir(records)).sort(), ['1', '2']);
});

test('a file whose handle went stale is opened again; a mount that stays stale is unreachable', async () => {
  await using place = await DirectoryPlace.make();
  await using store = await place.open();
  const one = await publishFiles(store, undefined, { a: '1' });
  let times = 1;
  using _failing = replaced(
    'readFile',
    (real) =>
      ((...given: Parameters<typeof real>) =>
        times-- > 0 ? Promise.reject(failure('ESTALE', 'fstat')) : real(...given)) as never,
  );
  assert.deepEqual(await store.latest('web'), one);
  times = 1;
  assert.deepEqual(await readTexts(store, one), { a: '1' });
  times = 1000;
  await assert.rejects(store.latest('web'), { code: 'UNREACHABLE' });
});

test("files that NFS keeps for those who have them open, and people's leavings, are in nobody's way", async () => {
  await using place = await DirectoryPlace.make();
  await using store = await place.open();
  let last = await publishFiles(store, undefined, { a: '1' });
  await store.report({ format: 1, id: 'i', host: 'h', version: '0', bundles: {} });
  const leavings = ['', 'blobs', 'trash', 'instances', 'bundles', 'bundles/web/heads', 'bundles/web/releases'];
  await rm(join(place.folder, 'trash'), { recursive: true, force: true });
  for (const folder of leavings) {
    const path = join(place.folder, folder);
    await mkdir(path, { recursive: true });
    for (const name of ['.nfs000000000001', '.DS_Store']) await writeFile(join(path, name), 'x');
  }
  for (const text of ['2', '3']) last = await publishFiles(store, last, { a: text });
  assert.equal((await store.collect({ keep: 1 })).releases, 2);
  assert.deepEqual(await readTexts(store, last), { a: '3' });
  assert.deepEqual(await store.bundles(), ['web']);
  assert.equal((await store.instances()).length, 1);
  for (const folder of leavings) assert.equal(await readFile(join(place.folder, folder, '.DS_Store'), 'utf8'), 'x');
});
