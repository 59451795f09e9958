import assert from 'node:assert/strict';
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import { definitionOf, type LinkMode } from '@quorate/model';
import { Disk, type Files, makeRelease } from './fixture.ts';

const MODES: readonly LinkMode[] = ['directory', 'files', 'copy'];
const define = (link: LinkMode, more: object = {}): ReturnType<typeof definitionOf> =>
  definitionOf({ root: '/etc/app', link, ...more });

/** Names that trip whoever builds command lines or patterns. */
const ODD: Files = {
  '-rf': 'dash',
  '--help/-v': 'dashes',
  'with space/a b': 'space',
  'new\nline': 'newline',
  'ünï/日本': 'unicode',
  '*?[a]': 'glob',
  'it\'s "$(false)" `x`': 'quotes',
  '\\back': 'backslash',
  [`long-${'x'.repeat(250)}`]: 'as long as names get',
  [`${'日'.repeat(85)}`]: 'the same in bytes',
};

for (const link of MODES) {
  describe(`link: ${link}`, () => {
    test('odd names are adopted, updated and given back like all others', async () => {
      using disk = new Disk();
      const native = Object.fromEntries(Object.keys(ODD).map((path) => [path, 'native']));
      disk.put('etc/app', native);
      const bundle = await disk.open();
      const one = makeRelease(define(link), ODD);
      assert.equal((await bundle.apply(one.release, one.fetch)).state, 'applied');
      assert.deepEqual(sorted(disk.read('etc/app')), sorted(ODD));
      const changed = Object.fromEntries(Object.keys(ODD).map((path) => [path, 'changed']));
      const two = makeRelease(define(link), changed, one);
      assert.equal((await bundle.apply(two.release, two.fetch)).state, 'applied');
      assert.deepEqual(sorted((await disk.open()) && disk.read('etc/app')), sorted(changed));
      await bundle.unmanage({ original: true });
      assert.deepEqual(sorted(disk.read('etc/app')), sorted(native));
    });

    test('a native root, and a state folder, with an odd name work as well', async () => {
      using outer = new Disk();
      using disk = new Disk(join(outer.folder, '-a "b"\n$(c)'));
      const root = "/etc/-it's \n日本";
      disk.put(root, { x: 'native' });
      const bundle = await disk.open();
      const one = makeRelease(define(link, { root }), { x: 'one', 'd/y': 'y' });
      assert.equal((await bundle.apply(one.release, one.fetch)).state, 'applied');
      assert.deepEqual(disk.read(root), { x: 'one', 'd/y': 'y' });
      await bundle.unmanage({ original: true });
      assert.deepEqual(disk.read(root), { x: 'native' });
    });

    test('going back and unmanage --original leave no folder that was not there, and take none that was', async () => {
      using disk = new Disk();
      disk.put('etc/app', { keep: 'native' });
      mkdirSync(disk.path('etc/app/empty'));
      chmodSync(disk.path('etc/app/empty'), 0o750);
      const bundle = await disk.open();
      const bad = makeRelease(define(link, { health: { command: 'false' } }), {
        keep: 'x',
        'empty/x': 'x',
        'made/by/us': 'x',
      });
      assert.equal((await bundle.apply(bad.release, bad.fetch)).state, 'rolled-back');
      const asBefore = (): void => {
        assert.ok(!existsSync(disk.path('etc/app/made')));
        assert.equal(statSync(disk.path('etc/app/empty')).mode & 0o777, 0o750);
        assert.ok(lstatSync(disk.path('etc/app')).isDirectory() && lstatSync(disk.path('etc/app/keep')).isFile());
        assert.deepEqual(disk.read('etc/app'), { keep: 'native' });
      };
      asBefore();
      const good = makeRelease(define(link), { 'empty/x': 'y', 'made/by/us': 'y' }, bad);
      assert.equal((await bundle.apply(good.release, good.fetch)).state, 'applied');
      await bundle.unmanage({ original: true });
      asBefore();
    });

    test('where nothing was, nothing at all stays after unmanage --original', async () => {
      using disk = new Disk();
      const bundle = await disk.open();
      const one = makeRelease(define(link), { 'a/b': 'x' });
      await bundle.apply(one.release, one.fetch);
      await bundle.unmanage({ original: true });
      assert.ok(!existsSync(disk.path('etc/app')));
    });

    test('a release that goes to another root leaves plain files at the old one, and loses no native file of either', async () => {
      using disk = new Disk();
      disk.put('etc/app', { x: 'native x', mine: 'mine' });
      disk.put('etc/other', { x: 'native other x', theirs: 'theirs' });
      const bundle = await disk.open();
      const one = makeRelease(define(link), { x: 'one' });
      await bundle.apply(one.release, one.fetch);
      const two = makeRelease(define(link, { root: '/etc/other' }), { x: 'two' }, one);
      assert.equal((await bundle.apply(two.release, two.fetch)).state, 'applied');
      assert.ok(lstatSync(disk.path('etc/app')).isDirectory() && lstatSync(disk.path('etc/app/x')).isFile());
      assert.equal(disk.read('etc/app').x, 'one');
      assert.equal(disk.read('etc/other').x, 'two');
      assert.equal(readFileSync(join(disk.state, 'web/aside/before-release-1/x'), 'utf8'), 'native x');
      await bundle.unmanage({ original: true });
      assert.deepEqual(disk.read('etc/other'), { x: 'native other x', theirs: 'theirs' });
      assert.equal(readFileSync(join(disk.state, 'web~aside/before-release-1/x'), 'utf8'), 'native x');
    });

    test('a release whose new root is taken by something else changes nothing at the old one', async () => {
      using disk = new Disk();
      const bundle = await disk.open();
      const one = makeRelease(define(link), { x: 'one' });
      await bundle.apply(one.release, one.fetch);
      writeFileSync(disk.path('etc/other'), 'a file');
      const two = makeRelease(define(link, { root: '/etc/other' }), { x: 'two' }, one);
      await assert.rejects(bundle.apply(two.release, two.fetch), { code: 'REPLACED' });
      assert.equal(bundle.applied?.release.number, 1);
      assert.deepEqual(disk.read('etc/app'), { x: 'one' });
      assert.ok(
        lstatSync(disk.path(link === 'directory' ? 'etc/app' : 'etc/app/x')).isSymbolicLink() || link === 'copy',
      );
    });

    test('a reload that fails at another root brings the release back at the old one, and the native files at the new', async () => {
      using disk = new Disk();
      disk.put('etc/other', { x: 'native other x' });
      const bundle = await disk.open();
      const one = makeRelease(define(link), { x: 'one' });
      await bundle.apply(one.release, one.fetch);
      const two = makeRelease(
        define(link, { root: '/etc/other', reload: { command: 'false', settle: 0 } }),
        { x: 'two', y: 'two' },
        one,
      );
      assert.equal((await bundle.apply(two.release, two.fetch)).state, 'rolled-back');
      assert.equal(bundle.applied?.release.number, 1);
      assert.deepEqual([disk.read('etc/app'), disk.read('etc/other')], [{ x: 'one' }, { x: 'native other x' }]);
      assert.equal((await disk.open()).applied?.release.number, 1);
    });
  });
}

test('native paths that were taken away are there again after a restart, also when the application cannot reload yet', async () => {
  for (const link of ['directory', 'files'] as const) {
    using disk = new Disk();
    const down = join(disk.folder, 'down');
    const one = makeRelease(define(link, { reload: { command: `! test -e '${down}'`, settle: 0 } }), { x: 'one' });
    await (await disk.open()).apply(one.release, one.fetch);
    writeFileSync(down, '');
    rmSync(disk.path('etc/app'), { recursive: true });
    assert.equal((await disk.open()).applied?.release.number, 1);
    assert.deepEqual(disk.read('etc/app'), { x: 'one' });
  }
});

test('another link mode keeps what was native before the first, neighbours too', async () => {
  const native = { x: 'native', neighbour: 'mine', 'd/deep': 'mine too' };
  for (const first of MODES)
    for (const second of MODES) {
      if (first === second) continue;
      using disk = new Disk();
      disk.put('etc/app', native);
      const bundle = await disk.open();
      const one = makeRelease(define(first), { x: 'one', 'd/added': 'one' });
      await bundle.apply(one.release, one.fetch);
      const two = makeRelease(define(second), { x: 'two', 'e/added': 'two' }, one);
      await bundle.apply(two.release, two.fetch);
      await bundle.unmanage({ original: true });
      assert.deepEqual(sorted(disk.read('etc/app')), sorted(native), `${first}, then ${second}`);
    }
});

test('unmanage where the parent folder is gone ends all the same', async () => {
  using disk = new Disk();
  mkdirSync(disk.path('srv/app'), { recursive: true });
  const one = makeRelease(define('files', { root: '/srv/app/conf' }), { x: 'one' });
  const bundle = await disk.open();
  await bundle.apply(one.release, one.fetch);
  rmSync(disk.path('srv/app'), { recursive: true });
  await (await disk.open()).unmanage();
  assert.ok(!existsSync(join(disk.state, 'web')));
});

const sorted = (files: Files): Files => Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
