import assert from 'node:assert/strict';
import { closeSync, existsSync, lstatSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import { definitionOf } from '@quorate/model';
import fc from 'fast-check';
import { Disk, type Files, type MadeRelease, makeRelease } from './fixture.ts';

const DEFINITION = definitionOf({ root: '/etc/nginx', link: 'directory' });

/** Few names, so that files, folders and links follow each other at the same paths. */
const files: fc.Arbitrary<Files> = fc
  .array(
    fc.record({
      path: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
      text: fc.constantFrom('', 'one', 'two', 'three', '->a', '/'),
    }),
    { maxLength: 8 },
  )
  .map((entries) => {
    const chosen: Record<string, string> = {};
    const inside = (a: string, b: string): boolean => a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
    for (const { path, text } of entries) {
      if (Object.keys(chosen).some((other) => inside(path, other.replace(/\/$/, '')))) continue;
      chosen[text === '/' ? `${path}/` : path] = text === '/' ? '' : text;
    }
    return chosen;
  });

describe('the next tree in advance', () => {
  test('whatever follows whatever, a tree made from the spare is the one that its manifest says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(files, { minLength: 2, maxLength: 8 }), async (sets) => {
        using disk = new Disk();
        const bundle = await disk.open();
        let last: MadeRelease | undefined;
        for (const set of sets) {
          last = makeRelease(DEFINITION, set, last);
          await bundle.apply(last.release, last.fetch);
          assert.deepEqual(bundle.verify(), []);
          assert.deepEqual(names(disk.path('etc/nginx')), last.manifest.map(({ path }) => path).sort());
          await bundle.prepare();
        }
      }),
      { numRuns: 60 },
    );
  });

  test('a change of one file writes one file: the others are moved from a tree that is not needed any more', async () => {
    using disk = new Disk();
    const bundle = await disk.open();
    const inode = (): number => lstatSync(join(disk.path('etc/nginx/'), 'stays')).ino;
    const seen: number[] = [];
    let last: MadeRelease | undefined;
    for (let round = 0; round < 12; round++) {
      last = makeRelease(DEFINITION, { stays: 'the same', changes: String(round) }, last);
      await bundle.apply(last.release, last.fetch);
      seen.push(inode());
      await bundle.prepare();
    }
    assert.ok(new Set(seen).size <= 5, `the file was written ${new Set(seen).size} times in 12 releases`);
    assert.ok(readdirSync(join(disk.state, 'web/releases')).length <= 4);
  });

  test('what somebody wrote into an old tree is never taken into a new one', async () => {
    using disk = new Disk();
    const bundle = await disk.open();
    let last: MadeRelease | undefined;
    for (let round = 0; round < 8; round++) {
      last = makeRelease(DEFINITION, { stays: 'the same', changes: String(round) }, last);
      await bundle.apply(last.release, last.fetch);
      const trees = join(disk.state, 'web/releases');
      for (const name of readdirSync(trees).filter((name) => name !== String(last?.release.number)))
        writeFileSync(join(trees, name, 'stays'), 'EDITED!!');
      await bundle.prepare();
      assert.equal(readFileSync(disk.path('etc/nginx/stays'), 'utf8'), 'the same');
      assert.equal(readFileSync(join(disk.state, 'web/spare/stays'), 'utf8'), 'the same');
    }
  });

  test('a reader that holds an old tree open finds files missing, never those of another release', async () => {
    using disk = new Disk();
    const bundle = await disk.open();
    let last = makeRelease(DEFINITION, { stays: 'the same', changes: '0' });
    await bundle.apply(last.release, last.fetch);
    const fd = openSync(disk.path('etc/nginx/'), 'r');
    const held = `/proc/self/fd/${fd}`;
    for (let round = 1; round < 8; round++) {
      last = makeRelease(DEFINITION, { stays: 'the same', changes: String(round) }, last);
      await bundle.apply(last.release, last.fetch);
      await bundle.prepare();
      const found = existsSync(join(held, 'changes')) ? readFileSync(join(held, 'changes'), 'utf8') : undefined;
      assert.ok(found === undefined || found === '0', `the old tree shows release ${found}`);
    }
    closeSync(fd);
  });

  test('it goes with the agent, and one that a killed agent left is taken away', async () => {
    using disk = new Disk();
    const bundle = await disk.open();
    const one = makeRelease(DEFINITION, { a: '1' });
    await bundle.apply(one.release, one.fetch);
    await bundle.prepare();
    const spare = join(disk.state, 'web/spare');
    assert.ok(existsSync(spare));
    const next = await disk.open();
    assert.ok(!existsSync(spare));
    await next.prepare();
    next.close();
    assert.ok(!existsSync(spare));
  });
});

test('a release with the number of the live one, from a store that was made anew, comes by a flip', async () => {
  using disk = new Disk();
  const bundle = await disk.open();
  const first = makeRelease(DEFINITION, { a: 'first', b: 'first' });
  await bundle.apply(first.release, first.fetch);
  const old = disk.path('etc/nginx/');
  const live = lstatSync(old).ino;
  const other = makeRelease(DEFINITION, { a: 'other', c: 'other' });
  const readAsItWas = async (): Promise<Buffer> => {
    assert.deepEqual(disk.read('etc/nginx'), { a: 'first', b: 'first' });
    return Buffer.alloc(0);
  };
  await bundle.apply(other.release, {
    ...other.fetch,
    blob: async (ref) => (await readAsItWas()) && other.fetch.blob(ref),
  });
  assert.deepEqual(disk.read('etc/nginx'), { a: 'other', c: 'other' });
  assert.notEqual(lstatSync(old).ino, live);
  assert.equal((await disk.open()).applied?.release.id, other.release.id);
  const back = makeRelease(definitionOf({ ...DEFINITION, reload: { command: 'exit 1', settle: 0 } }), { a: 'bad' });
  assert.equal((await bundle.apply(back.release, back.fetch)).state, 'rolled-back');
  assert.deepEqual(disk.read('etc/nginx'), { a: 'other', c: 'other' });
});

test('link: files: a link that was removed comes back without touching the tree that the others lead to', async () => {
  using disk = new Disk();
  const bundle = await disk.open();
  const one = makeRelease(definitionOf({ root: '/etc/nginx', link: 'files' }), { a: '1', b: '1' });
  await bundle.apply(one.release, one.fetch);
  const before = lstatSync(join(disk.state, 'web/current/b')).ino;
  rmSync(disk.path('etc/nginx/a'));
  assert.equal((await bundle.apply(one.release, one.fetch)).state, 'applied');
  assert.deepEqual(disk.read('etc/nginx'), { a: '1', b: '1' });
  assert.equal(lstatSync(join(disk.state, 'web/current/b')).ino, before);
});

/** Every path below a folder, the folder itself as `.`; links are not followed. */
function names(folder: string, prefix = ''): string[] {
  const entries = readdirSync(join(folder, prefix, '/'), { withFileTypes: true });
  const below = entries.flatMap((entry) => {
    const path = join(prefix, entry.name);
    return entry.isDirectory() ? [path, ...names(folder, path)] : [path];
  });
  return (prefix === '' ? ['.', ...below] : below).sort();
}
