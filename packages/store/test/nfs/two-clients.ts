// The suites over two mounts of one share: QUORATE_SHARE is the folder as its server has it, QUORATE_MOUNTS what two machines have of it.
import assert from 'node:assert/strict';
import test from 'node:test';
import { blobsOf } from '@quorate/model';
import { openStore, readManifest } from '../../src/index.ts';
import { conformance } from '../conformance.ts';
import { conformanceAtScale } from '../conformance-at-scale.ts';
import { DirectoryPlace } from '../directory-place.ts';
import { publishFiles, readTexts } from '../publishing.ts';
import type { SuiteOptions } from '../suite.ts';

const share = process.env.QUORATE_SHARE!;
const mounts = process.env.QUORATE_MOUNTS!.split(':');
const options: SuiteOptions = { make: () => DirectoryPlace.on(share, mounts) };

test('the mounts are known for what they are', async () => {
  for (const mount of mounts) {
    await using store = await openStore(`dir:${mount}/none`);
    assert.equal(store.capabilities.events, false);
  }
});

test('a machine that has read what a collector took from another machine publishes it anew', async () => {
  await using place = await DirectoryPlace.on(share, mounts);
  await using near = await place.open();
  await using far = await place.open();
  const one = await publishFiles(near, undefined, { a: 'one' });
  const [ref] = blobsOf(await readManifest(far, one.release));
  await far.blob(ref!);
  await publishFiles(near, await publishFiles(near, one, { a: 'two' }), { a: 'three' });
  assert.equal((await near.collect({ keep: 1 })).blobs, 4);
  const four = await publishFiles(far, await far.latest('web'), { a: 'one' });
  assert.deepEqual(await readTexts(near, four), { a: 'one' });
});

conformance('two clients', options);
if (process.env.QUORATE_SCALE) conformanceAtScale('two clients', options);
