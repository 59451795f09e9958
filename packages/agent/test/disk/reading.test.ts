import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type BundleDefinition, definitionOf, type LinkMode } from '@quorate/model';
import { Disk, makeRelease } from './fixture.ts';

const bound = { timeout: 60_000 };
/** seconds that are never waited for here: a test that did would run into its bound */
const LONG = 60;

/** Notes the seconds since the machine's start at each reload. */
const define = (settle: number, { link, end = 'true' }: { link?: LinkMode; end?: string } = {}): BundleDefinition => {
  const command = `cut -d' ' -f1 /proc/uptime >> "$QUORATE_ROOT/../reloads"; ${end}`;
  return definitionOf({ root: '/etc/app', ...(link ? { link } : {}), reload: { command, settle } });
};

const reloadsOf = (disk: Disk): number[] =>
  readFileSync(join(disk.folder, 'reloads'), 'utf8').trim().split('\n').map(Number);

/** Seconds between two looks at /proc/uptime, which counts hundredths. */
const assertApart = ([before, after]: readonly number[], seconds: number): void =>
  assert.ok(after! - before! >= seconds - 0.02, `${after! - before!} s, not ${seconds}`);

for (const link of ['directory', 'files', 'copy'] as const)
  test(
    `link: ${link}: the next release is live when the application has had its time to read, and not before`,
    bound,
    async () => {
      using disk = new Disk();
      const bundle = await disk.open();
      const one = makeRelease(define(0.3, { link }), { n: '1' });
      await bundle.apply(one.release, one.fetch);
      const two = makeRelease(define(0, { link }), { n: '2' }, one);
      assert.deepEqual(await bundle.apply(two.release, two.fetch), { state: 'applied' });
      assertApart(reloadsOf(disk), 0.3);
      assert.deepEqual(disk.read('etc/app'), { n: '2' });
    },
  );

test('neither the first release waits, nor the word that one is applied, nor a vote', bound, async () => {
  using disk = new Disk();
  const bundle = await disk.open();
  const one = makeRelease(define(LONG), { n: '1' });
  assert.deepEqual(await bundle.apply(one.release, one.fetch), { state: 'applied' });
  assert.deepEqual(await bundle.apply(one.release, one.fetch), { state: 'applied' });
  const two = makeRelease(define(LONG), { n: '2' }, one);
  assert.deepEqual(await bundle.offer(two.release, two.fetch), { ok: true });
});

test('going back waits too: the application may be reading what failed', bound, async () => {
  using disk = new Disk();
  const bundle = await disk.open();
  const one = makeRelease(define(0), { n: '1' });
  await bundle.apply(one.release, one.fetch);
  const two = makeRelease(define(0.3, { end: 'false' }), { n: '2' }, one);
  assert.equal((await bundle.apply(two.release, two.fetch)).state, 'rolled-back');
  assertApart(reloadsOf(disk).slice(1), 0.3);
  assert.deepEqual(disk.read('etc/app'), { n: '1' });
});

test('a wait that is given up leaves all as it is, and the next agent waits anew', bound, async () => {
  using disk = new Disk();
  const one = makeRelease(define(LONG), { n: '1' });
  await (await disk.open()).apply(one.release, one.fetch);
  const two = makeRelease(define(0), { n: '2' }, one);
  for (let turn = 0; turn < 2; turn++) {
    const bundle = await disk.open();
    const applied = bundle.apply(two.release, two.fetch, { signal: AbortSignal.timeout(200) });
    await assert.rejects(applied, { name: 'TimeoutError' });
    assert.deepEqual(disk.read('etc/app'), { n: '1' });
  }
});

test('without a reload command, and where no commands are run, nothing is waited for', bound, async () => {
  for (const [definition, hooks] of [
    [definitionOf({ root: '/etc/app' }), true],
    [define(LONG), false],
  ] as const) {
    using disk = new Disk();
    const one = makeRelease(definition, { n: '1' });
    await (await disk.open({ hooks })).apply(one.release, one.fetch);
    const two = makeRelease(definition, { n: '2' }, one);
    const again = await disk.open({ hooks });
    assert.deepEqual(await again.apply(two.release, two.fetch), { state: 'applied' });
  }
});
