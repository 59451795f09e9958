import assert from 'node:assert/strict';
import test from 'node:test';
import { definitionOf, mergeDefinitions } from '../src/index.ts';

const define = (more: object = {}) => definitionOf({ root: '/etc/app', ...more });

test('what only one side changed is in the merge, also what it took away', () => {
  const base = define({ ignore: ['*.bak'], reload: { command: 'one' } });
  const ours = define({ ignore: ['*.bak'], reload: { command: 'two' }, templates: ['a'] });
  const theirs = define({ drift: 'adopt', reload: { command: 'one' } });
  const merged = { drift: 'adopt', reload: { command: 'two' }, templates: ['a'] };
  assert.deepEqual(mergeDefinitions(base, ours, theirs), { definition: define(merged), conflicts: [] });
  assert.deepEqual(mergeDefinitions(base, theirs, ours), { definition: define(merged), conflicts: [] });
  assert.deepEqual(mergeDefinitions(base, ours, ours), { definition: ours, conflicts: [] });
});

test('a key that both changed differently is a conflict, also where one side took it away', () => {
  const base = define({ variables: { bundle: { a: 1 } }, ignore: ['x'] });
  const ours = define({ variables: { bundle: { a: 2 } }, ignore: ['x', 'y'] });
  const theirs = define({ variables: { bundle: { a: 1, b: 1 } } });
  assert.deepEqual(mergeDefinitions(base, ours, theirs).conflicts, ['ignore', 'variables']);
});
