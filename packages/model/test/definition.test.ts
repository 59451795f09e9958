import assert from 'node:assert/strict';
import test from 'node:test';
import { definitionOf } from '../src/index.ts';

test('a definition gets its defaults and is read again as it is', () => {
  const definition = definitionOf({ root: '/etc//nginx/', reload: { command: 'systemctl reload nginx' } });
  assert.deepEqual(definition, {
    root: '/etc/nginx',
    link: 'directory',
    reload: { command: 'systemctl reload nginx' },
  });
  assert.deepEqual(definitionOf(definition), definition);
});

test('each wrong key is named', () => {
  const cases: [unknown, RegExp][] = [
    [undefined, /mapping with at least `root:`/],
    ['/etc/nginx', /mapping/],
    [{}, /root: is missing/],
    [{ root: 'etc' }, /root: an absolute path/],
    [{ root: '/' }, /root: an absolute path below \//],
    [{ root: '//' }, /root: an absolute path below \//],
    [{ root: '/etc/../etc' }, /root: a path without/],
    [{ root: '/etc/a\0' }, /root: valid UTF-8/],
    [{ root: '/etc/a', link: 'hard' }, /link: one of directory, files, copy/],
    [{ root: '/etc/a', reload: { command: '' } }, /reload\.command: a command/],
    [{ root: '/etc/a', reload: { command: 'x', timeout: 0 } }, /reload\.timeout: >=0\.1 is wanted, not 0/],
    [{ root: '/etc/a', reload: 'x' }, /reload: a mapping is wanted, not "x"/],
    [{ root: '/etc/a', ignore: 'x' }, /ignore: a list is wanted, not "x"/],
    [{ root: '/etc/a', relaod: { command: 'x' } }, /relaod: there is no such key/],
    [{ root: '/etc/a', links: ['usr'] }, /links\.0/],
  ];
  for (const [value, message] of cases)
    assert.throws(() => definitionOf(value), { code: 'BAD_DEFINITION', message }, JSON.stringify(value));
});
