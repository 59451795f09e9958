import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkPath, childOf, nameOf, parentOf, withChroot, withoutChroot } from '../src/paths.ts';

test('paths that every server takes are taken', () => {
  for (const path of ['/', '/a', '/a/b', '/a b', '/ä/日本', '/.a', '/..a', '/a..', '/...', '/a.b/c']) checkPath(path);
});

test('paths that every server refuses are refused before they are sent', () => {
  const refused = ['', 'a', '/a/', '//', '/a//b', '/.', '/..', '/a/.', '/a/..', '/a/./b', '/a/../b', '/\u0000'];
  for (const path of [...refused, '/a\u0001', '/\u007f', '/\u009f', '/\ud800', '/\uf8ff', '/\ufff0', '/😀']) {
    assert.throws(() => checkPath(path), { code: 'BAD_ARGUMENTS' }, JSON.stringify(path));
  }
  assert.throws(() => checkPath(undefined as unknown as string), { code: 'BAD_ARGUMENTS' });
});

test('the name of a sequential node may be empty, since the number is its name', () => {
  checkPath('/a/', true);
  checkPath('/', true);
  assert.throws(() => checkPath('/a//', true), { code: 'BAD_ARGUMENTS' });
});

test('a chroot is put before paths and taken off again', () => {
  for (const path of ['/', '/a', '/a/b']) {
    assert.equal(withoutChroot('/root', withChroot('/root', path)), path);
    assert.equal(withoutChroot('', withChroot('', path)), path);
  }
  assert.equal(withChroot('/root', '/'), '/root');
});

test('a path that only looks like the chroot, or lies outside it, stays as it is', () => {
  assert.equal(withoutChroot('/root', '/rooted/a'), '/rooted/a');
  assert.equal(withoutChroot('/root', '/zookeeper/config'), '/zookeeper/config');
});

test('parent, name and child fit together', () => {
  assert.deepEqual([parentOf('/a'), parentOf('/a/b'), parentOf('/')], ['/', '/a', '/']);
  assert.deepEqual([nameOf('/a'), nameOf('/a/b')], ['a', 'b']);
  assert.deepEqual([childOf('/', 'a'), childOf('/a', 'b')], ['/a', '/a/b']);
});
