import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import { definitionOf, type LinkMode } from '@quorate/model';
import { Disk, type Files, makeRelease } from './fixture.ts';

const OLD: Files = { 'nginx.conf': 'old native', 'conf.d/a.conf': 'native a' };
const ONE: Files = { 'nginx.conf': 'one', 'conf.d/a.conf': 'a1', 'conf.d/gone.conf': 'g1' };
const TWO: Files = { 'nginx.conf': 'two', 'conf.d/a.conf': 'a2', 'sites/new.conf': 'n2' };
const MODES: LinkMode[] = ['directory', 'files', 'copy'];
const define = (link: LinkMode, more: object = {}): ReturnType<typeof definitionOf> =>
  definitionOf({ root: '/etc/nginx', link, ...more });
const RUNNING_AS_ROOT = process.geteuid?.() === 0;

for (const link of MODES) {
  describe(`link: ${link}`, () => {
    test('a first release takes the place of what was native, an update of the first, and unmanage leaves plain files', async () => {
      using disk = new Disk();
      disk.put('etc/nginx', OLD);
      const bundle = await disk.open();
      const one = makeRelease(define(link), ONE);
      assert.deepEqual(await bundle.apply(one.release, one.fetch), { state: 'applied' });
      assert.deepEqual(disk.read('etc/nginx'), ONE);
      const two = makeRelease(define(link), TWO, one);
      assert.deepEqual(await bundle.apply(two.release, two.fetch), { state: 'applied' });
      assert.deepEqual(disk.read('etc/nginx'), TWO);
      assert.equal(bundle.applied?.release.number, 2);
      assert.deepEqual(bundle.verify(), []);
      await bundle.unmanage();
      assert.deepEqual(disk.read('etc/nginx'), TWO);
      assert.ok(lstatSync(disk.path('etc/nginx')).isDirectory());
      assert.ok(lstatSync(disk.path('etc/nginx/nginx.conf')).isFile());
      assert.ok(!existsSync(join(disk.state, 'web')));
      await (await disk.open()).unmanage();
    });

    test('unmanage --original brings back what was native before', async () => {
      using disk = new Disk();
      disk.put('etc/nginx', OLD);
      const bundle = await disk.open();
      const one = makeRelease(define(link), ONE);
      await bundle.apply(one.release, one.fetch);
      const two = makeRelease(define(link), TWO, one);
      await bundle.apply(two.release, two.fetch);
      await bundle.unmanage({ original: true });
      assert.deepEqual(disk.read('etc/nginx'), OLD);
    });

    test('where nothing was native, the release appears, and unmanage --original takes it away', async () => {
      using disk = new Disk();
      const bundle = await disk.open();
      const one = makeRelease(define(link), ONE);
      assert.deepEqual(await bundle.apply(one.release, one.fetch), { state: 'applied' });
      assert.deepEqual(disk.read('etc/nginx'), ONE);
      await bundle.unmanage({ original: true });
      assert.deepEqual(disk.read('etc/nginx'), {});
    });

    test('a release is found applied after a restart without asking anybody', async () => {
      using disk = new Disk();
      const one = makeRelease(define(link), ONE);
      await (await disk.open()).apply(one.release, one.fetch);
      const again = await disk.open();
      assert.equal(again.applied?.release.number, 1);
      const nobody = { manifest: () => assert.fail('asked'), blob: () => assert.fail('asked') };
      assert.deepEqual(await again.apply(one.release, nobody), { state: 'applied' });
    });

    test('a failed reload brings the release before back, reloads it, and is not tried in a circle', async () => {
      using disk = new Disk();
      const log = join(disk.folder, 'reloads');
      const reload = {
        command: `echo "$QUORATE_RELEASE" >> ${log}; echo "cannot read two" >&2; ! grep -q two ${disk.path('etc/nginx/nginx.conf')}`,
        settle: 0,
      };
      const bundle = await disk.open();
      const one = makeRelease(define(link, { reload }), ONE);
      assert.equal((await bundle.apply(one.release, one.fetch)).state, 'applied');
      const two = makeRelease(define(link, { reload }), TWO, one);
      const result = await bundle.apply(two.release, two.fetch);
      assert.equal(result.state, 'rolled-back');
      assert.match(result.detail!, /release 2: reload: exit code 1 .*\n.*cannot read two/s);
      assert.deepEqual(disk.read('etc/nginx'), ONE);
      assert.equal(readFileSync(log, 'utf8'), '1\n2\n1\n');
      assert.equal((await bundle.apply(two.release, two.fetch)).state, 'rolled-back');
      assert.equal(readFileSync(log, 'utf8'), '1\n2\n1\n', 'no reload was run again');
      const three = makeRelease(define(link, { reload }), { ...ONE, 'nginx.conf': 'three' }, two);
      assert.equal((await bundle.apply(three.release, three.fetch)).state, 'applied');
    });

    test('a first release that fails gives the native files back', async () => {
      using disk = new Disk();
      disk.put('etc/nginx', OLD);
      const bundle = await disk.open();
      const one = makeRelease(define(link, { health: { command: 'false' } }), ONE);
      assert.equal((await bundle.apply(one.release, one.fetch)).state, 'rolled-back');
      assert.deepEqual(disk.read('etc/nginx'), OLD);
      const two = makeRelease(define(link), TWO, one);
      assert.equal((await bundle.apply(two.release, two.fetch)).state, 'applied');
      assert.deepEqual(disk.read('etc/nginx'), TWO);
    });

    test('a first release that fails where nothing was leaves nothing', async () => {
      using disk = new Disk();
      const bundle = await disk.open();
      const one = makeRelease(define(link, { reload: { command: 'exit 3', settle: 0 } }), ONE);
      assert.equal((await bundle.apply(one.release, one.fetch)).state, 'rolled-back');
      assert.deepEqual(disk.read('etc/nginx'), {});
      assert.equal(bundle.applied, undefined);
    });

    test('empty folders, empty files, modes and symlinks inside are as published', async () => {
      using disk = new Disk();
      const bundle = await disk.open();
      const one = makeRelease(define(link), { empty: '', 'folder/': '', 'a/real': 'x', 'a/link': '->real' });
      await bundle.apply(one.release, one.fetch);
      assert.equal(statSync(disk.path('etc/nginx/empty')).size, 0);
      assert.ok(statSync(disk.path('etc/nginx/folder')).isDirectory());
      assert.equal(readFileSync(disk.path('etc/nginx/a/link'), 'utf8'), 'x');
      assert.equal(statSync(disk.path('etc/nginx/a/real')).mode & 0o777, 0o644);
    });

    test('a missing parent and a folder outside the allowed roots are clear states, and nothing changes', async () => {
      using disk = new Disk();
      const bundle = await disk.open();
      for (const [root, code] of [
        ['/opt/none/here', 'MISSING_PARENT'],
        ['/usr/share/x', 'OUTSIDE_ROOTS'],
        ['/etc/ssh', 'OUTSIDE_ROOTS'],
        ['/etc/quorate', 'OUTSIDE_ROOTS'],
      ] as const) {
        const one = makeRelease(definitionOf({ root, link }), ONE);
        await assert.rejects(bundle.apply(one.release, one.fetch), { code });
      }
      assert.equal(bundle.applied, undefined);
    });

    test('a parent that is a symlink out of the allowed roots is refused', async () => {
      using disk = new Disk();
      mkdirSync(disk.path('var/secret'), { recursive: true });
      symlinkSync('../var/secret', disk.path('etc/inner'));
      const one = makeRelease(definitionOf({ root: '/etc/inner/app', link }), ONE);
      const bundle = await disk.open();
      await assert.rejects(bundle.apply(one.release, one.fetch), { code: 'OUTSIDE_ROOTS' });
      assert.deepEqual(disk.read('var/secret'), {});
    });

    test('a stream of updates without a quiet moment keeps the disk bounded', async () => {
      using disk = new Disk();
      const bundle = await disk.open();
      let last = makeRelease(define(link), { ...ONE, n: '0' });
      for (let number = 1; number <= 20; number++) {
        await bundle.apply(last.release, last.fetch);
        assert.ok(readdirSync(join(disk.state, 'web/releases')).length <= 9);
        last = makeRelease(define(link), { ...ONE, n: String(number) }, last);
      }
    });

    test('many updates keep the disk bounded, and each is whole after a restart', async () => {
      using disk = new Disk();
      let last = makeRelease(define(link), { ...ONE, n: '1' });
      for (let number = 1; number <= 25; number++) {
        const bundle = await disk.open();
        await bundle.apply(last.release, last.fetch);
        assert.equal((await disk.open()).applied?.release.number, number);
        assert.equal(disk.read('etc/nginx').n, String(number));
        last = makeRelease(define(link), { ...ONE, n: String(number + 1) }, last);
      }
      assert.ok(readdirSync(join(disk.state, 'web/releases')).length <= 4);
      assert.ok(readdirSync(join(disk.state, 'web/packs')).length <= 9);
    });
  });
}

test('link: directory: native files that differ stay whole until the one flip', async () => {
  using disk = new Disk();
  disk.put('etc/nginx', OLD);
  chmodSync(disk.path('etc/nginx/nginx.conf'), 0o600);
  const bundle = await disk.open();
  const one = makeRelease(define('directory'), ONE);
  await bundle.apply(one.release, one.fetch);
  const original = join(disk.state, 'web/releases/original');
  assert.equal(readFileSync(join(original, 'nginx.conf'), 'utf8'), 'old native');
  assert.equal(statSync(join(original, 'nginx.conf')).mode & 0o777, 0o600);
  assert.ok(readlinkSync(disk.path('etc/nginx')).startsWith('../'), 'below a root of its own the link is relative');
});

test('link: files leaves neighbours alone, and folders that become empty go', async () => {
  using disk = new Disk();
  disk.put('etc/nginx', { 'neighbour.conf': 'mine', 'conf.d/other.conf': 'mine too' });
  const bundle = await disk.open();
  const one = makeRelease(define('files'), { ...ONE, 'only/here.conf': 'x' });
  await bundle.apply(one.release, one.fetch);
  const two = makeRelease(define('files'), TWO, one);
  await bundle.apply(two.release, two.fetch);
  assert.deepEqual(disk.read('etc/nginx'), { ...TWO, 'neighbour.conf': 'mine', 'conf.d/other.conf': 'mine too' });
  assert.ok(!existsSync(disk.path('etc/nginx/only')));
});

test('link: files: a file that a later release adds over a native one is kept and comes back', async () => {
  using disk = new Disk();
  disk.put('etc/nginx', { 'late.conf': 'native late' });
  const bundle = await disk.open();
  const one = makeRelease(define('files'), ONE);
  await bundle.apply(one.release, one.fetch);
  const two = makeRelease(define('files'), { ...ONE, 'late.conf': 'two' }, one);
  await bundle.apply(two.release, two.fetch);
  assert.equal(disk.read('etc/nginx')['late.conf'], 'two');
  await bundle.unmanage({ original: true });
  assert.deepEqual(disk.read('etc/nginx'), { 'late.conf': 'native late' });
});

test('what was replaced by hand is never overwritten', async () => {
  for (const link of ['directory', 'files'] as const) {
    using disk = new Disk();
    const bundle = await disk.open();
    const one = makeRelease(define(link), ONE);
    await bundle.apply(one.release, one.fetch);
    const place = disk.path(link === 'directory' ? 'etc/nginx' : 'etc/nginx/nginx.conf');
    rmSync(place);
    if (link === 'directory') disk.put('etc/nginx', { mine: 'by hand' });
    else writeFileSync(place, 'by hand');
    const two = makeRelease(define(link), TWO, one);
    await assert.rejects(bundle.apply(two.release, two.fetch), { code: 'REPLACED' });
    assert.equal(readFileSync(link === 'directory' ? join(place, 'mine') : place, 'utf8'), 'by hand');
    rmSync(place, { recursive: true });
    assert.equal((await bundle.apply(two.release, two.fetch)).state, 'applied');
    assert.deepEqual(disk.read('etc/nginx'), TWO);
  }
});

test('link: copy keeps an edit by hand aside', async () => {
  using disk = new Disk();
  const bundle = await disk.open();
  const one = makeRelease(define('copy'), ONE);
  await bundle.apply(one.release, one.fetch);
  writeFileSync(disk.path('etc/nginx/nginx.conf'), 'edited');
  assert.deepEqual(bundle.verify(), [{ path: 'nginx.conf', what: 'content' }]);
  const two = makeRelease(define('copy'), TWO, one);
  await bundle.apply(two.release, two.fetch);
  assert.deepEqual(disk.read('etc/nginx'), TWO);
  assert.equal(readFileSync(join(disk.state, 'web/aside/nginx.conf'), 'utf8'), 'edited');
});

test('a release may change its link mode or its root: the old place becomes plain files', async () => {
  using disk = new Disk();
  const bundle = await disk.open();
  let last = makeRelease(define('directory'), ONE);
  await bundle.apply(last.release, last.fetch);
  for (const link of ['files', 'copy', 'directory', 'copy', 'files', 'directory'] as const) {
    last = makeRelease(define(link), { ...TWO, mode: link }, last);
    assert.equal((await bundle.apply(last.release, last.fetch)).state, 'applied');
    assert.equal(disk.read('etc/nginx').mode, link);
    assert.equal((await disk.open()).applied?.release.number, last.release.number);
  }
  const moved = makeRelease(definitionOf({ root: '/etc/other' }), ONE, last);
  await bundle.apply(moved.release, moved.fetch);
  assert.deepEqual(disk.read('etc/other'), ONE);
  assert.ok(lstatSync(disk.path('etc/nginx')).isDirectory());
});

test('after a start of the machine torn files are put right from the pack, and what was there is kept', async () => {
  using disk = new Disk();
  const one = makeRelease(define('directory'), ONE);
  await (await disk.open()).apply(one.release, one.fetch);
  const journal = join(disk.state, 'web/state.json');
  writeFileSync(journal, readFileSync(journal, 'utf8').replace(/"boot":"[^"]*"/, '"boot":"another"'));
  writeFileSync(disk.path('etc/nginx/nginx.conf'), '');
  rmSync(disk.path('etc/nginx/conf.d'), { recursive: true });
  await disk.open();
  assert.deepEqual(disk.read('etc/nginx'), ONE);
  assert.equal(readFileSync(join(disk.state, 'web/aside/nginx.conf'), 'utf8'), '');
  assert.match(disk.lines.join('\n'), /put right/);
});

test('a pack or a journal of a newer Quorate is refused and kept, and what is live stays', async () => {
  using disk = new Disk();
  const one = makeRelease(define('directory'), ONE);
  await (await disk.open()).apply(one.release, one.fetch);
  for (const [name, newer] of [
    ['packs/9.pack', `QPACK2 ${'x'.repeat(100)}`],
    ['state.json', '{"format":2}'],
  ] as const) {
    const path = join(disk.state, 'web', name);
    const before = existsSync(path) ? readFileSync(path) : undefined;
    writeFileSync(path, newer);
    await assert.rejects(disk.open(), { message: /newer Quorate.*upgrade this one/ });
    assert.equal(readFileSync(path, 'utf8'), newer);
    assert.deepEqual(disk.read('etc/nginx'), ONE);
    rmSync(path);
    if (before) writeFileSync(path, before);
  }
});

test('an owner that this machine does not know is refused before anything is written', {
  skip: !RUNNING_AS_ROOT && 'owners are only set by root',
}, async () => {
  using disk = new Disk();
  const bundle = await disk.open();
  const one = makeRelease(define('directory'), ONE);
  const manifest = one.manifest.map((entry) => ({ ...entry, owner: 'nobody-knows-me' }));
  await assert.rejects(bundle.apply(one.release, { ...one.fetch, manifest: async () => manifest }), {
    code: 'REFUSED',
  });
  assert.deepEqual(disk.read('etc/nginx'), {});
});
