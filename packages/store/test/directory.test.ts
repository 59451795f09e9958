import assert from 'node:assert/strict';
import { copyFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { Heads } from '../src/directory/heads.ts';
import { openStore } from '../src/index.ts';
import { conformance } from './conformance.ts';
import { DirectoryPlace } from './directory-place.ts';
import { publishFiles } from './publishing.ts';

conformance('a directory', { make: DirectoryPlace.make });

test('a store of a newer Quorate is refused, never guessed at', async () => {
  await using place = await DirectoryPlace.make();
  await writeFile(join(place.folder, 'format'), '{"format":2}\n');
  await using store = await place.open();
  await assert.rejects(store.latest('web'), { code: 'NEWER_FORMAT', message: /upgrade Quorate/ });
  await assert.rejects(store.bundles(), { code: 'NEWER_FORMAT' });
  await assert.rejects(publishFiles(store, undefined, { a: '1' }), { code: 'NEWER_FORMAT' });
  assert.deepEqual(await readdir(place.folder), ['format']);
});

test('a URL that names no store says what one looks like', async () => {
  for (const url of ['', 'web', 'dir:', 'zk:', 'zk://', 'http://x', 's3://', 's3://B', 's3://bucket?zone=x'])
    await assert.rejects(openStore(url), { code: 'BAD_URL' });
});

test('a folder that cannot be written is a clear error', async () => {
  await using store = await openStore('dir:/proc/nowhere/store');
  await assert.rejects(publishFiles(store, undefined, { a: '1' }), (error: Error & { code: string }) =>
    ['UNSUITABLE', 'NOT_ALLOWED'].includes(error.code),
  );
});

test('a publisher that slept through a thousand commits does not think that it won', async () => {
  await using place = await DirectoryPlace.make();
  await using store = await place.open();
  const one = await publishFiles(store, undefined, { a: '1' });
  const heads = join(place.folder, 'bundles/web/heads');
  // as pruning leaves it: the number after the base is free again, far newer ones are there
  const newest = (await readdir(heads)).sort().at(-1)!;
  await copyFile(join(heads, newest), join(heads, String(5000).padStart(12, '0')));
  const line = new Heads(place.folder, 'web');
  assert.equal(await line.add(Number(newest), { head: one.head, release: one.release }), false);
});
