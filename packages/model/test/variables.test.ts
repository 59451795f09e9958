import assert from 'node:assert/strict';
import test from 'node:test';
import { variablesFor } from '../src/index.ts';

test("an instance's value counts before its zone's, that before the bundle's", () => {
  const scoped = {
    bundle: { a: 'bundle', b: 'bundle', c: 'bundle', list: [1, 2] },
    zones: { east: { b: 'zone', c: 'zone', list: [3] }, west: { a: 'west' } },
    instances: { 'web-1': { c: 'instance' } },
  };
  assert.deepEqual(variablesFor(scoped, { id: 'web-1', zone: 'east' }), {
    a: 'bundle',
    b: 'zone',
    c: 'instance',
    list: [3],
  });
  assert.deepEqual(variablesFor(scoped, { id: 'web-2' }), scoped.bundle);
  assert.deepEqual(variablesFor(undefined, { id: 'web-2', zone: 'east' }), {});
  assert.deepEqual(variablesFor(scoped, { id: 'toString', zone: 'valueOf' }), scoped.bundle);
});
