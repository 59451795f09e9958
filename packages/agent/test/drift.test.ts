import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { LinkMode } from '@quorate/model';
import { FolderWatch } from '../src/drift/folder-watch.ts';
import { Disk, makeRelease } from './disk/fixture.ts';
import { define, until } from './machine.ts';

test('folders tell of the names that are asked for, also when another folder takes their place', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-watch-'));
  const told = new Set<string>();
  const watch = new FolderWatch((where, name) => void told.add(join(where, name).slice(folder.length + 1)));
  try {
    for (const name of ['all', 'some']) mkdirSync(join(folder, name));
    const folders = new Map<string, ReadonlySet<string> | 'all'>([
      [join(folder, 'all'), 'all'],
      [join(folder, 'some'), new Set(['mine'])],
      [join(folder, 'nowhere'), 'all'],
    ]);
    assert.equal(watch.set(folders), true);
    assert.equal(watch.set(folders), false);
    for (const path of ['some/other', 'some/mine', 'all/other']) writeFileSync(join(folder, path), 'x');
    await until('both are told', async () => told.has('some/mine') && told.has('all/other'));
    assert.ok(!told.has('some/other'));
    renameSync(join(folder, 'all'), join(folder, 'old'));
    mkdirSync(join(folder, 'all'));
    assert.equal(watch.set(folders), true);
    writeFileSync(join(folder, 'all/new'), 'x');
    await until('the new folder tells', async () => told.has('all/new'));
    assert.equal(watch.trouble, undefined);
  } finally {
    watch.close();
    rmSync(folder, { recursive: true });
  }
});

test('more folders than are watched are told of, and none is watched then', () => {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-watch-'));
  const watch = new FolderWatch(() => undefined, 3);
  try {
    const folders = new Map<string, 'all'>();
    for (let at = 0; at <= 3; at++) folders.set(join(folder, String(at)), 'all');
    for (const place of folders.keys()) mkdirSync(place);
    assert.equal(watch.set(folders), false);
    assert.match(watch.trouble!, /4 folders are more than the 3/);
    assert.equal(watch.set(new Map([...folders].slice(0, 3))), true);
    assert.equal(watch.trouble, undefined);
  } finally {
    watch.close();
    rmSync(folder, { recursive: true });
  }
});

for (const link of ['directory', 'files', 'copy'] as const satisfies readonly LinkMode[])
  test(`link: ${link}: nothing is read by way of a link that was put in the place of a folder (P9)`, async () => {
    using disk = new Disk();
    const bundle = await disk.open();
    const one = makeRelease(define({ link }), { 'a.conf': 'a', 'conf.d/b.conf': 'b', 'conf.d/deep/c.conf': 'c' });
    await bundle.apply(one.release, one.fetch);
    disk.put('etc/secret', { 'b.conf': 'of another', 'deep/c.conf': 'of another' });
    rmSync(disk.path('etc/app/conf.d'), { recursive: true });
    symlinkSync(disk.path('etc/secret'), disk.path('etc/app/conf.d'));
    const { edits } = (await bundle.drift.look('full'))!;
    assert.deepEqual(
      edits.map(({ path, what }) => `${path} ${what}`),
      ['conf.d kind', 'conf.d/b.conf missing', 'conf.d/deep missing', 'conf.d/deep/c.conf missing'],
    );
    const { manifest } = bundle.drift.edited(edits)!;
    assert.deepEqual(
      manifest.map(({ path, kind }) => `${path} ${kind}`),
      ['. directory', 'a.conf file', 'conf.d symlink'],
    );
    assert.equal(await bundle.drift.restore(edits), undefined);
    assert.deepEqual(disk.read('etc/app'), { 'a.conf': 'a', 'conf.d/b.conf': 'b', 'conf.d/deep/c.conf': 'c' });
    assert.deepEqual(disk.read('etc/secret'), { 'b.conf': 'of another', 'deep/c.conf': 'of another' });
    assert.deepEqual((await bundle.drift.look('full'))!.edits, []);
  });

for (const link of ['directory', 'files', 'copy'] as const satisfies readonly LinkMode[])
  test(`link: ${link}: of several edits the chosen ones are put back, the others stay as they are`, async () => {
    using disk = new Disk();
    const bundle = await disk.open();
    const files = { 'a.conf': 'a', 'b.conf': 'b', 'd/c.conf': 'c', 'd/e.conf': 'e' };
    const one = makeRelease(define({ link }), files);
    await bundle.apply(one.release, one.fetch);
    for (const path of Object.keys(files)) disk.put('etc/app', { [`${path}.new`]: `edited ${path}` });
    // as editors do: of links and copies another file stands there then
    for (const path of Object.keys(files)) renameSync(disk.path(`etc/app/${path}.new`), disk.path(`etc/app/${path}`));
    const { edits } = (await bundle.drift.look('full'))!;
    assert.equal(edits.length, 4);
    assert.equal(await bundle.drift.restore(edits, ['a.conf', 'd']), undefined);
    assert.deepEqual(disk.read('etc/app'), { ...files, 'b.conf': 'edited b.conf' });
    assert.deepEqual(bundle.drift.kept().sort(), ['a.conf', 'd/c.conf', 'd/e.conf']);
    assert.deepEqual(
      (await bundle.drift.look('full'))!.edits.map(({ path }) => path),
      ['b.conf'],
    );
  });

test('a restore of chosen files that is cut off goes on with these alone', async () => {
  using disk = new Disk();
  const one = makeRelease(define({ link: 'copy' }), { 'a.conf': 'a', 'b.conf': 'b' });
  await (await disk.open()).apply(one.release, one.fetch);
  disk.put('etc/app', { 'a.conf': 'edited', 'b.conf': 'edited' });
  const journal = join(disk.state, 'web/state.json');
  const moving = { from: '1', to: '1', only: ['a.conf'] };
  writeFileSync(journal, JSON.stringify({ ...JSON.parse(readFileSync(journal, 'utf8')), moving }));
  await disk.open();
  assert.deepEqual(disk.read('etc/app'), { 'a.conf': 'a', 'b.conf': 'edited' });
});
