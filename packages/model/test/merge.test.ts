import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type Entry, type Manifest, manifestOf, mergeManifests, sameEntry, settleMerge } from '../src/index.ts';
import { fileEntry, folderEntry, manifest } from './arbitrary.ts';

const at = (entries: readonly Entry[], path: string): Entry | undefined => entries.find((entry) => entry.path === path);
const web = (...files: Entry[]): Manifest => manifestOf(files);

test('when only one side changed, the merge is that side', () => {
  fc.assert(
    fc.property(manifest(), manifest(), (base, changed) => {
      for (const merged of [mergeManifests(base, changed, base), mergeManifests(base, base, changed)]) {
        assert.deepEqual(merged.conflicts, []);
        assert.deepEqual(manifestOf(merged.entries), changed);
      }
      assert.deepEqual(manifestOf(mergeManifests(base, changed, changed).entries), changed);
    }),
  );
});

test('no change of either side is lost: each path is as one side changed it, or a conflict', () => {
  fc.assert(
    fc.property(manifest(), manifest(), manifest(), (base, ours, theirs) => {
      const { entries, conflicts } = mergeManifests(base, ours, theirs);
      const open = new Set(conflicts.map(({ path }) => path));
      for (const path of new Set([...base, ...ours, ...theirs].map((entry) => entry.path))) {
        if (open.has(path)) {
          assert.equal(at(entries, path), undefined);
          continue;
        }
        const [b, o, t] = [at(base, path), at(ours, path), at(theirs, path)];
        const expected = sameEntry(o, b) ? t : o;
        assert.ok(sameEntry(at(entries, path), expected), path);
        assert.ok(sameEntry(o, b) || sameEntry(t, b) || sameEntry(o, t), `${path} was changed on both sides`);
      }
    }),
  );
});

test('both sides are alike to a merge', () => {
  fc.assert(
    fc.property(manifest(), manifest(), manifest(), (base, ours, theirs) => {
      const one = mergeManifests(base, ours, theirs);
      const other = mergeManifests(base, theirs, ours);
      const paths = (merged: typeof one): string[] => merged.conflicts.map(({ path }) => path).sort();
      assert.deepEqual(paths(one), paths(other));
      const byPath = (entries: readonly Entry[]): Map<string, Entry> =>
        new Map(entries.map((entry) => [entry.path, entry]));
      assert.deepEqual(byPath(one.entries), byPath(other.entries));
    }),
  );
});

test('a merge without conflicts is a whole manifest, also where one side removed a folder that the other filled', () => {
  fc.assert(
    fc.property(manifest(), manifest(), manifest(), (base, ours, theirs) => {
      const merged = mergeManifests(base, ours, theirs);
      fc.pre(merged.conflicts.length === 0);
      const settled = settleMerge(merged, [], [base, ours, theirs]);
      for (const entry of merged.entries) assert.deepEqual(at(settled, entry.path), entry);
      for (const entry of settled) if (!at(merged.entries, entry.path)) assert.equal(entry.kind, 'directory');
    }),
  );
  const base = web(folderEntry('d'), fileEntry('d/a', '1'));
  const merged = mergeManifests(base, web(), web(folderEntry('d'), fileEntry('d/a', '1'), fileEntry('d/b', '2')));
  assert.deepEqual(
    settleMerge(merged, [], [base]).map(({ path }) => path),
    ['d', 'd/b'],
  );
});

test('a file in the place of a folder that the other side filled is a conflict', () => {
  const base = web(folderEntry('d'), fileEntry('d/a', '1'));
  const ours = web(fileEntry('d', 'now a file'));
  const theirs = web(folderEntry('d'), fileEntry('d/a', '1'), fileEntry('d/b', '2'));
  const { conflicts } = mergeManifests(base, ours, theirs);
  assert.deepEqual(conflicts, [{ path: 'd', base: base[0], ours: ours[0], theirs: theirs[0] }]);
});

test('a path that both sides changed differently comes with all three versions', () => {
  const [base, ours, theirs] = [web(fileEntry('a', '1')), web(fileEntry('a', '2')), web(fileEntry('a', '3'))];
  assert.deepEqual(mergeManifests(base, ours, theirs), {
    entries: [],
    conflicts: [{ path: 'a', base: base[0], ours: ours[0], theirs: theirs[0] }],
  });
  assert.deepEqual(mergeManifests(base, web(), theirs).conflicts, [
    { path: 'a', base: base[0], ours: undefined, theirs: theirs[0] },
  ]);
});
