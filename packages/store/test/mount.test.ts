import assert from 'node:assert/strict';
import { copyFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { bucketMountIn, tellsChanges } from '../src/directory/mount.ts';
import { openStore } from '../src/index.ts';
import { DirectoryPlace } from './directory-place.ts';
import { publishFiles } from './publishing.ts';
import { failure } from './remembering-mount.ts';
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

test('a mount without what a store needs is refused at the first write, with what it lacks, and nothing is left there', async () => {
  for (const [name, error, what] of [
    ['link', 'ENOSYS', /no hard links \(link\(2\)\)/],
    ['link', 'EPERM', /no hard links/],
    ['rename', 'ENOSYS', /no renames over a file/],
  ] as const) {
    await using place = await DirectoryPlace.make();
    await writeFile(join(place.folder, 'format'), '{"format":1,"store":"quorate"}\n'); // made over another mount
    await using store = await place.open();
    {
      using _lacking = replaced(name, () => () => Promise.reject(failure(error, name)));
      const message = new RegExp(`cannot hold a store: it has ${what.source}.*use a local disk, EFS`);
      await assert.rejects(publishFiles(store, undefined, { a: '1' }), { code: 'UNSUITABLE', message });
    }
    assert.deepEqual(await readdir(place.folder), ['format']);
    await publishFiles(store, undefined, { a: '1' });
  }
});

test('a mount whose files cannot be synced, and one whose links let two win, are refused', async () => {
  await using place = await DirectoryPlace.make();
  await using store = await place.open();
  {
    using _careless = replaced(
      'link',
      (real) => (from, to) => copyFile(String(from), String(to)).catch(() => real(from, to)),
    );
    await assert.rejects(publishFiles(store, undefined, { a: '1' }), { code: 'UNSUITABLE', message: /let two win/ });
  }
  using _lacking = replaced('open', (real) => async (path, ...rest) => {
    const handle = await real(path, ...rest);
    if (path === place.folder) handle.sync = () => Promise.reject(failure('EINVAL', 'fsync'));
    return handle;
  });
  await assert.rejects(publishFiles(store, undefined, { a: '1' }), { code: 'UNSUITABLE', message: /fsync|EINVAL/ });
});

test('a bucket that is mounted as a folder is known by its mount, whoever mounted it and wherever it is', () => {
  const mounts = [
    '22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw',
    '80 22 0:50 / /mnt/by\\040hand rw,nosuid - fuse mountpoint-s3 rw,user_id=0',
    '81 22 0:51 / /mnt/s3fs rw - fuse.s3fs s3fs rw',
    '82 22 0:52 / /mnt/clone rw - fuse.rclone remote:fleet rw',
    '83 22 0:53 / /mnt/ssh rw - fuse.sshfs host:/srv rw',
    '84 81 0:54 / /mnt/s3fs/disk rw - ext4 /dev/vdb rw',
  ].join('\n');
  for (const [path, by] of [
    ['/mnt/by hand/fleet/quorate', 'mountpoint-s3'],
    ['/mnt/s3fs', 's3fs'],
    ['/mnt/clone/x', 'rclone'],
    ['/mnt/s3fs/disk/x', undefined],
    ['/mnt/s3fs-not', undefined],
    ['/mnt/ssh/x', undefined],
    ['/srv', undefined],
  ] as const)
    assert.equal(bucketMountIn(mounts, path), by, path);
});
