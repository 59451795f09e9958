import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { diffManifests, type Manifest, manifestOf, sameEntry } from '../src/index.ts';
import { fileEntry, manifest } from './arbitrary.ts';

/** What a reader of the changes would make of them. */
function applied(before: Manifest, after: Manifest): Manifest {
  const entries = new Map(before.map((entry) => [entry.path, entry]));
  for (const change of diffManifests(before, after)) {
    assert.deepEqual(change.before, entries.get(change.path));
    if (change.after) entries.set(change.path, change.after);
    else entries.delete(change.path);
  }
  return manifestOf(entries.values());
}

test('the changes between two manifests lead from the one to the other', () => {
  fc.assert(fc.property(manifest(), manifest(), (before, after) => assert.deepEqual(applied(before, after), after)));
});

test('nothing differs between a manifest and itself, and each path differs at most once', () => {
  fc.assert(
    fc.property(manifest(), manifest(), (before, after) => {
      assert.deepEqual(diffManifests(before, before), []);
      const paths = diffManifests(before, after).map(({ path }) => path);
      assert.equal(new Set(paths).size, paths.length);
    }),
  );
});

test('forwards and backwards the same paths differ', () => {
  fc.assert(
    fc.property(manifest(), manifest(), (before, after) => {
      const forwards = diffManifests(before, after).map(({ path, content }) => [path, content]);
      assert.deepEqual(
        diffManifests(after, before).map(({ path, content }) => [path, content]),
        forwards,
      );
    }),
  );
});

test('mode, owner and group are told from content', () => {
  const before = fileEntry('a', '1');
  const change = (after: Partial<typeof before>): boolean | undefined =>
    diffManifests([before], [{ ...before, ...after }])[0]?.content;
  assert.equal(change({ mode: '0600' }), false);
  assert.equal(change({ owner: 'www-data' }), false);
  assert.equal(change({ sha256: '0'.repeat(64) }), true);
  assert.equal(change({ template: true }), true);
  assert.equal(change({}), undefined);
  assert.ok(sameEntry(undefined, undefined));
  assert.ok(!sameEntry(before, undefined));
});
