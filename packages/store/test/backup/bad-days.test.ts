import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { sha256 } from '@quorate/model';
import { Backup, BackupWriter, partialFile, writeBackup } from '../../src/backup/index.ts';
import { type BlobSource, type CallOptions, type Store, StoreError } from '../../src/index.ts';
import { backedUp, everything, Place, publishLine, restored } from './place.ts';

const refused = (path: string, code: string, message: RegExp): Promise<void> =>
  assert.rejects(Backup.open(path), { code, message });

/** A small backup and its bytes. */
async function small(place: Place): Promise<Buffer> {
  await using store = await place.store('store');
  await publishLine(store, 'web', 2, (number) => ({ a: `version ${number}` }));
  await backedUp(store, place.path('b.tar'));
  return readFile(place.path('b.tar'));
}

/** A backup made of these files. */
async function madeOf(path: string, files: Readonly<Record<string, string | Buffer>>, time = ''): Promise<void> {
  const parts: Buffer[] = [];
  const writer = new BackupWriter({ write: async (bytes) => void parts.push(bytes) }, time);
  for (const [name, text] of Object.entries(files)) await writer.add(name, Buffer.from(text));
  await writer.finish();
  await writeFile(path, Buffer.concat(parts));
}

const FORMAT = '{"format":1,"backup":"quorate","store":"dir:/s","time":"2026-11-25T12:00:00Z"}\n';

test('a backup that is cut off anywhere is refused, and says so', async () => {
  await using place = await Place.make();
  const bytes = await small(place);
  for (let length = 1; length < bytes.length; length += 97) {
    await writeFile(place.path('cut.tar'), bytes.subarray(0, length));
    await refused(
      place.path('cut.tar'),
      length < 512 ? 'NOT_A_BACKUP' : 'BAD_BACKUP',
      length < 512 ? /no backup of Quorate/ : /cut off|its list/,
    );
  }
  await writeFile(place.path('cut.tar'), '');
  await refused(place.path('cut.tar'), 'BAD_BACKUP', /is empty/);
});

test('one flipped bit anywhere is found', async () => {
  await using place = await Place.make();
  const bytes = await small(place);
  for (let at = 0; at < bytes.length; at += 29) {
    const flipped = Buffer.from(bytes);
    flipped[at]! ^= 1 << (at % 8);
    await writeFile(place.path('flipped.tar'), flipped);
    await assert.rejects(Backup.open(place.path('flipped.tar')), StoreError, `byte ${at}`);
  }
});

test('what comes after the end is none of ours', async () => {
  await using place = await Place.make();
  const bytes = await small(place);
  await writeFile(place.path('long.tar'), Buffer.concat([bytes, Buffer.from('x')]));
  await refused(place.path('long.tar'), 'BAD_BACKUP', /damaged at byte/);
});

test('other files are told from backups, and compressed ones with how to unpack them', async () => {
  await using place = await Place.make();
  const bytes = await small(place);
  for (const [content, message] of [
    ['#!/bin/sh\n', /no backup of Quorate: name a file that `quorate ensemble backup` wrote/],
    [Buffer.alloc(100_000), /no backup of Quorate/],
    [gzipSync(bytes), /it is compressed.*gzip -dc FILE \| quorate ensemble restore -/],
    [zstdCompressSync(bytes), /it is compressed.*zstd -dc FILE/],
  ] as const) {
    await writeFile(place.path('other'), content);
    await refused(place.path('other'), 'NOT_A_BACKUP', message);
  }
  execFileSync('tar', ['-cf', place.path('other'), '-C', place.folder, 'b.tar']);
  await refused(place.path('other'), 'NOT_A_BACKUP', /no backup of Quorate/);
  await madeOf(place.path('other'), { 'format.json': '{"format":1}' });
  await refused(place.path('other'), 'NOT_A_BACKUP', /no backup of Quorate/);
});

test('a newer format, of the backup or of a record in it, is refused with what to do', async () => {
  await using place = await Place.make();
  await madeOf(place.path('n.tar'), { 'format.json': FORMAT.replace('1', '2'), unheard: 'of' });
  await refused(place.path('n.tar'), 'NEWER_FORMAT', /has format 2, this Quorate knows up to 1: upgrade Quorate/);
  await madeOf(place.path('n.tar'), { 'format.json': FORMAT, 'bundles/web/releases/1.json': '{"format":2}' });
  await refused(place.path('n.tar'), 'NEWER_FORMAT', /n\.tar: the release has format 2.*upgrade Quorate/);
});

test('a clock that is far off spoils nothing', async () => {
  await using place = await Place.make();
  for (const time of ['1900-01-01T00:00:00Z', '2026-11-25T12:00:00Z', '9999-12-31T23:59:59Z', 'never']) {
    await madeOf(place.path('t.tar'), { 'format.json': FORMAT }, time);
    await (await Backup.open(place.path('t.tar')))[Symbol.asyncDispose]();
  }
});

test('files that this Quorate does not know are passed over', async () => {
  await using place = await Place.make();
  await madeOf(place.path('m.tar'), { 'format.json': FORMAT, 'notes/by-somebody': 'x', 'bundles/-/head.json': 'x' });
  await using backup = await Backup.open(place.path('m.tar'));
  assert.deepEqual(backup.lines, []);
});

test('what does not add up is refused: gaps, a missing head, content that is not there', async () => {
  await using place = await Place.make();
  await using store = await place.store('store');
  await publishLine(store, 'web', 3, (number) => ({ a: `version ${number}` }));
  await backedUp(store, place.path('b.tar'));
  execFileSync('tar', ['-xf', 'b.tar', '--one-top-level=x'], { cwd: place.folder });
  const names = (await readdir(place.path('x'), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name !== 'SHA256SUMS')
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(place.path('x').length + 1));
  const files = new Map<string, Buffer>();
  for (const name of ['format.json', ...names]) files.set(name, await readFile(place.path(`x/${name}`)));
  const made = (change: (files: Map<string, Buffer>) => void): Promise<void> => {
    const changed = new Map(files);
    change(changed);
    return madeOf(place.path('m.tar'), Object.fromEntries(changed));
  };
  await made(() => undefined);
  await (await Backup.open(place.path('m.tar')))[Symbol.asyncDispose]();
  const release = (number: number): string => `bundles/web/releases/${number}.json`;
  const blob = names.find((name) => name.startsWith('blobs/'))!;
  for (const [change, message] of [
    [(files) => files.delete(release(2)), /release 2 of web is missing/],
    [(files) => files.delete(release(3)), /the head of web names release 3, and the newest is 2/],
    [(files) => files.delete('bundles/web/head.json'), /the head of web is missing/],
    [(files) => files.delete(blob), /blobs\/.*, which release \d of web needs, is missing/],
    [(files) => files.set(release(1), files.get(release(2))!), /releases\/1\.json is release 2 of web/],
    [
      (files) => files.set(release(1), Buffer.from('{"format":1}')),
      /releases\/1\.json: the release: bundle: "bundle" is wanted/,
    ],
    [(files) => files.set(release(1), Buffer.from('nonsense')), /releases\/1\.json: the release is not JSON/],
  ] satisfies [(files: Map<string, Buffer>) => unknown, RegExp][]) {
    await made(change);
    await refused(place.path('m.tar'), 'BAD_BACKUP', message);
  }
  await made((files) => files.set(`blobs/00/${'0'.repeat(64)}`, Buffer.from('a lie')));
  await refused(place.path('m.tar'), 'BAD_BACKUP', /damaged at byte/);
});

/** A store that is lost after so many contents were read. */
function lostAfter(store: Store, reads: number): { store: Store; asked: string[] } {
  const asked: string[] = [];
  const blob = async (ref: BlobSource, options?: CallOptions): Promise<Buffer> => {
    if (asked.length >= reads) throw new StoreError('UNREACHABLE', 'the store is gone');
    asked.push(ref.sha256);
    return store.blob(ref, options);
  };
  const lost = new Proxy(store, {
    get: (target, name) => {
      const value = name === 'blob' ? blob : Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { store: lost, asked };
}

test('a backup whose store is lost in the middle goes on where it was, wherever that is', async () => {
  await using place = await Place.make();
  await using store = await place.store('store');
  await publishLine(store, 'web', 4, (number) => ({ a: `version ${number}`, b: `b ${number >> 1}`, c: 'c' }));
  await publishLine(store, 'mail', 1, () => ({ relay: 'no' }));
  const file = place.path('b.tar');
  for (let reads = 0; ; reads++) {
    const { store: lost, asked } = lostAfter(store, reads);
    const partly = await backedUp(lost, file).then(
      () => false,
      (error: { code?: string }) => assert.equal(error.code, 'UNREACHABLE') ?? true,
    );
    if (!partly) break;
    const { store: back, asked: after } = lostAfter(store, Number.POSITIVE_INFINITY);
    await assert.rejects(stat(file), { code: 'ENOENT' });
    await backedUp(back, file);
    await using other = await place.store(`other-${reads}`);
    await restored(other, file);
    assert.deepEqual(await everything(other), await everything(store));
    assert.ok(after.length > 0 || asked.length === reads);
    execFileSync('rm', [file]);
  }
  assert.deepEqual(
    (await readdir(place.folder)).filter((name) => name.endsWith('.partial')),
    [],
  );
});

test('of an interrupted backup only what is whole is kept, and what another store left is thrown away', async () => {
  await using place = await Place.make();
  const bytes = await small(place);
  await using store = await place.store('store');
  const file = place.path('n.tar');
  const flipped = Buffer.from(bytes);
  flipped[2100]! ^= 1;
  for (const left of [
    bytes,
    bytes.subarray(0, 3000),
    flipped,
    Buffer.from('nonsense'),
    Buffer.alloc(5000),
    Buffer.alloc(0),
  ]) {
    await writeFile(partialFile(file), left);
    await backedUp(store, file);
    const [a, b] = await Promise.all([Backup.open(file), Backup.open(place.path('b.tar'))]);
    assert.deepEqual(a.lines, b.lines);
    await Promise.all([a, b].map((each) => each[Symbol.asyncDispose]()));
  }
  await using other = await place.store('other');
  await publishLine(other, 'other', 1, () => ({ o: 'o' }));
  await writeFile(partialFile(file), bytes);
  await backedUp(other, file);
  assert.equal((await readFile(file)).includes('version 2'), false);
});

test('what an interrupted backup has of releases that are gone does not count', async () => {
  await using place = await Place.make();
  const bytes = await small(place);
  await using store = await place.store('store');
  await publishLine(store, 'web', 3, (number) => ({ a: `version ${number}` }));
  await store.collect({ keep: 1 });
  const file = place.path('n.tar');
  await writeFile(partialFile(file), bytes);
  await backedUp(store, file);
  await using backup = await Backup.open(file);
  assert.deepEqual(
    backup.lines.map(({ releases }) => releases.map(({ number }) => number)),
    [[5]],
  );
  await using other = await place.store('other');
  await restored(other, file);
  assert.deepEqual(await everything(other), await everything(store));
});

test('a store that lacks content of a release it keeps cannot be backed up, and says which', async () => {
  await using place = await Place.make();
  await using store = await place.store('store');
  await publishLine(store, 'web', 2, (number) => ({ a: `version ${number}` }));
  const hash = sha256('version 1');
  execFileSync('rm', [place.path(`store/blobs/${hash.slice(0, 2)}/${hash}`)]);
  await assert.rejects(backedUp(store, place.path('b.tar')), {
    code: 'CORRUPT',
    message: new RegExp(`release 1 of web lacks content in dir:.*${hash}`),
  });
});

test('content that a store has lost comes back by a restore', async () => {
  await using place = await Place.make();
  await using store = await place.filled();
  await backedUp(store, place.path('b.tar'));
  const before = await everything(store);
  for (const text of ['version 3', 'version 5', 'same']) {
    const hash = sha256(text);
    execFileSync('rm', [place.path(`store/blobs/${hash.slice(0, 2)}/${hash}`)]);
  }
  await restored(store, place.path('b.tar'));
  assert.deepEqual(await everything(store), before);
});

test('a place where no file can be written says what to do', async () => {
  await using place = await Place.make();
  await using store = await place.filled();
  await assert.rejects(writeBackup(store, place.path('nosuch/b.tar')), {
    code: 'UNSUITABLE_FILE',
    message: /nosuch is not there: make the folder, or mount the share/,
  });
  await writeFile(place.path('plain'), '');
  await assert.rejects(writeBackup(store, place.path('plain/b.tar')), {
    code: 'UNSUITABLE_FILE',
    message: /plain is no folder/,
  });
});

test('a backup that is given up ends at once and can be gone on with', async () => {
  await using place = await Place.make();
  await using store = await place.filled();
  const stop = new AbortController();
  const progress = (): void => stop.abort(new Error('enough'));
  await assert.rejects(writeBackup(store, place.path('b.tar'), { signal: stop.signal, progress }), /enough/);
  await backedUp(store, place.path('b.tar'));
});
