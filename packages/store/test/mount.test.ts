import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { tellsChanges } from '../src/directory/mount.ts';
import { openStore } from '../src/index.ts';
import { replaced } from './replaced.ts';

/** From now on every folder is on a file system of this type. */
const mounted = (type: number): Disposable => replaced('statfs', () => (async () => ({ type })) as never);

test('a folder on a local disk tells its changes, also one that is not made yet', async () => {
  assert.equal(await tellsChanges(tmpdir()), true);
  assert.equal(await tellsChanges(join(tmpdir(), 'none/below/none')), true);
});

test('a store on a network mount says that it is polled', async () => {
  for (const [name, type] of [
    ['NFS and EFS', 0x6969],
    ['SMB 2, whose number is negative where it is read as 32 bits with a sign', 0xfe534d42 | 0],
    ['FUSE', 0x65735546],
  ] as const) {
    using _mounted = mounted(type);
    await using store = await openStore(`dir:${tmpdir()}/none`);
    assert.deepEqual(store.capabilities, { events: false, sessions: false }, name);
  }
  await using store = await openStore(`dir:${tmpdir()}/none`);
  assert.deepEqual(store.capabilities, { events: true, sessions: false });
});

test('a folder that cannot be looked at is taken for one that tells nothing', async () => {
  assert.equal(await tellsChanges(join(tmpdir(), 'x'.repeat(300))), false);
});
