import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { openStore } from '../src/index.ts';
import { conformance, publishFiles, type Subject } from './conformance.ts';

async function make(): Promise<Subject & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-store-'));
  const path = (hash: string): string => join(folder, 'blobs', hash.slice(0, 2), hash);
  return {
    open: () => openStore(`dir:${folder}`, { pollMs: 100 }),
    damage: async (hash) => {
      await chmod(path(hash), 0o600);
      await writeFile(path(hash), 'wrong');
    },
    storedBlobs: async () =>
      (await readdir(join(folder, 'blobs'), { recursive: true })).filter((name) => name.length > 60),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

conformance('a directory', { make });

test('a store of a newer Quorate is refused, never guessed at', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-store-'));
  try {
    await writeFile(join(folder, 'format'), '{"format":2}\n');
    await using store = await openStore(`dir:${folder}`);
    await assert.rejects(store.latest('web'), { code: 'NEWER_FORMAT', message: /upgrade Quorate/ });
    await assert.rejects(store.bundles(), { code: 'NEWER_FORMAT' });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a URL that names no store says what one looks like', async () => {
  for (const url of ['', 'web', 'dir:', 'zk:', 'zk://', 'http://x', 's3://bucket'])
    await assert.rejects(openStore(url), { code: 'BAD_URL' });
});

test('a folder that cannot be written is a clear error', async () => {
  await using store = await openStore('dir:/proc/nowhere/store');
  await assert.rejects(publishFiles(store, undefined, { a: '1' }), (error: Error & { code: string }) =>
    ['UNSUITABLE', 'NOT_ALLOWED'].includes(error.code),
  );
});

test('a publisher that slept through a thousand commits does not think that it won', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-store-'));
  try {
    await using store = await openStore(`dir:${folder}`);
    const one = await publishFiles(store, undefined, { a: '1' });
    const heads = join(folder, 'bundles/web/heads');
    // as pruning leaves it: the number after the base is free again, far newer ones are there
    await mkdir(heads, { recursive: true });
    const { copyFile } = await import('node:fs/promises');
    const newest = (await readdir(heads))
      .filter((name) => !name.startsWith('.'))
      .sort()
      .at(-1)!;
    await copyFile(join(heads, newest), join(heads, String(5000).padStart(12, '0')));
    const { Heads } = await import('../src/directory/heads.ts');
    const line = new Heads(folder, 'web');
    assert.equal(await line.add(Number(newest), { head: one.head, release: one.release }), false);
  } finally {
    await rm(folder, { recursive: true });
  }
});
