import assert from 'node:assert/strict';
import { posix } from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import {
  checkBundleName,
  checkPath,
  comparePaths,
  isBundleName,
  liesIn,
  linkTarget,
  parentPath,
} from '../src/index.ts';
import { name } from './arbitrary.ts';

const ROOT = '/etc/nginx';
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));

test('paths that lead elsewhere or that no disk can hold are refused', () => {
  for (const bad of ['', '/a', 'a//b', 'a/', './a', 'a/.', '..', 'a/../b', 'a\0', '\uD800', '\uFFFD', 'x'.repeat(256)])
    assert.throws(() => checkPath(bad), { code: 'BAD_PATH' }, JSON.stringify(bad));
  assert.throws(() => checkPath(Array.from({ length: 2100 }, () => 'a').join('/')), { code: 'BAD_PATH' });
});

test('whatever is accepted as a path stays below the root', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        path,
        fc.string(),
        fc.array(fc.constantFrom('..', '.', '', 'a')).map((names) => names.join('/')),
      ),
      (given) => {
        try {
          checkPath(given);
        } catch {
          return; // refused is fine
        }
        const full = posix.normalize(`${ROOT}/${given}`);
        assert.ok(given === '.' || (full.startsWith(`${ROOT}/`) && full === `${ROOT}/${given}`), full);
      },
    ),
  );
});

test("a link's target is where POSIX says that it is, in a tree without other links", () => {
  const names = fc.array(fc.constantFrom('..', '.', '', 'a', 'b', 'etc', 'nginx', 'share'), { maxLength: 8 });
  const target = fc
    .tuple(fc.constantFrom('', '/', '/etc/nginx/', '/usr/share/'), names)
    .map(([start, rest]) => start + rest.join('/'));
  fc.assert(
    fc.property(path, target, (link, leads) => {
      const full = posix.resolve(posix.dirname(`${ROOT}/${link}`), leads);
      const found = linkTarget(ROOT, link, leads);
      if (found === 'climbs-out') {
        // below a root that can be anywhere, one more `..` than there are names leads anywhere
        const depth = leads.startsWith('/') ? 0 : link.split('/').length - 1;
        assert.ok(deepestClimb(leads) > depth, `${link} → ${leads}`);
      } else if ('inside' in found) assert.equal(full, found.inside === '.' ? ROOT : `${ROOT}/${found.inside}`);
      else {
        assert.equal(full, found.outside);
        assert.ok(!liesIn(ROOT, full));
      }
    }),
    { numRuns: 2000 },
  );
});

/** How far a target goes above where it starts, at its worst moment. */
function deepestClimb(target: string): number {
  let depth = 0;
  let deepest = 0;
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    depth += part === '..' ? 1 : -1;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

test('paths are listed in the byte order of UTF-8', () => {
  fc.assert(
    fc.property(fc.array(path), (paths) => {
      const bytes = (text: string): string => Buffer.from(text).toString('hex');
      const sorted = [...paths].sort(comparePaths);
      assert.deepEqual(sorted.map(bytes), paths.map(bytes).sort());
    }),
  );
});

test('parents and containment', () => {
  assert.equal(parentPath('a'), '.');
  assert.equal(parentPath('a/b/c'), 'a/b');
  assert.ok(liesIn('/usr/share', '/usr/share'));
  assert.ok(liesIn('/usr/share', '/usr/share/x'));
  assert.ok(!liesIn('/usr/share', '/usr/shared'));
  assert.ok(liesIn('/', '/x'));
});

test('bundle names are plain enough for folders and nodes', () => {
  for (const good of ['web', 'a', '0', 'my-app_2.conf', 'a'.repeat(63)]) {
    checkBundleName(good);
    assert.ok(isBundleName(good));
  }
  for (const bad of [
    '',
    '.',
    '..',
    'a..b',
    '-a',
    'A',
    'a/b',
    'ä',
    'a b',
    'a\n',
    'a'.repeat(64),
    'constructor',
    'prototype',
  ]) {
    assert.throws(() => checkBundleName(bad), { code: 'BAD_PATH' }, JSON.stringify(bad));
    assert.ok(!isBundleName(bad));
  }
});
