import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { FolderArbiter } from '../../src/index.ts';
import { arbiterConformance, record } from './conformance.ts';
import { FolderPlace } from './folder-place.ts';

arbiterConformance('an arbiter in a folder', FolderPlace.make);

test('a folder that is not there is never made: the share may not be mounted', async () => {
  await using place = await FolderPlace.make();
  await rm(place.folder, { recursive: true });
  await assert.rejects(place.open().read(), {
    code: 'ARBITER_UNREACHABLE',
    message: /mount the share, or make the folder/,
  });
  await assert.rejects(place.open().claim(record(), '0'), { code: 'ARBITER_UNREACHABLE' });
  await assert.rejects(readdir(place.folder), { code: 'ENOENT' });
});

test('a mount point itself is refused, since it looks empty while nothing is mounted', async () => {
  await assert.rejects(new FolderArbiter('/proc').read(), {
    code: 'ARBITER_UNREACHABLE',
    message: /inside of the share/,
  });
});

test('a file in the place of the folder is told', async () => {
  await using place = await FolderPlace.make();
  await rm(place.folder, { recursive: true });
  await writeFile(place.folder, '');
  await assert.rejects(place.open().read(), { code: 'ARBITER_UNREACHABLE', message: /no folder/ });
});
