import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { blobsOf, LIMITS, manifestFromPages, manifestOf, paginate, sha256 } from '../src/index.ts';
import { fileEntry, folderEntry, manifest } from './arbitrary.ts';

test('a manifest comes back from its pages as it was', () => {
  fc.assert(
    fc.property(manifest({ maxLength: 60 }), (entries) => {
      const pages = paginate(entries);
      assert.deepEqual(manifestFromPages(pages.map(({ bytes }) => bytes)), entries);
      for (const page of pages) {
        assert.equal(page.sha256, sha256(page.bytes));
        assert.equal(page.size, page.bytes.byteLength);
      }
    }),
  );
});

test('the same entries give the same pages, in whatever order and with whatever order of keys they come', () => {
  fc.assert(
    fc.property(manifest(), fc.integer(), (entries, seed) => {
      const shuffled = [...entries]
        .map((entry) => Object.fromEntries(Object.entries(entry).reverse()) as typeof entry)
        .sort((a, b) => sha256(a.path + seed).localeCompare(sha256(b.path + seed)));
      assert.deepEqual(paginate(manifestOf(shuffled)), paginate(entries));
    }),
  );
});

test('a changed, added or removed file changes at most three pages of many', () => {
  const entries = Array.from({ length: 5000 }, (_, at) => fileEntry(`file-${at}`, `content ${at}`));
  const before = new Set(paginate(manifestOf(entries)).map((page) => page.sha256));
  assert.ok(before.size > 20, `${before.size} pages`);
  fc.assert(
    fc.property(fc.nat(4999), fc.constantFrom('change', 'remove', 'add'), (at, what) => {
      const after =
        what === 'change'
          ? entries.with(at, fileEntry(`file-${at}`, 'another content'))
          : what === 'remove'
            ? entries.toSpliced(at, 1)
            : [...entries, fileEntry(`file-${at}-new`, 'new')];
      const pages = paginate(manifestOf(after));
      const added = pages.filter((page) => !before.has(page.sha256));
      assert.ok(added.length <= 3, `${added.length} new pages`);
    }),
    { numRuns: 40 },
  );
});

test('an empty manifest has no pages and comes back empty', () => {
  assert.deepEqual(paginate([]), []);
  assert.deepEqual(manifestFromPages([]), []);
});

test('a path that is there twice, or lies in no folder of the bundle, is refused', () => {
  const a = fileEntry('a', '1');
  assert.throws(() => manifestOf([a, a]), { code: 'BAD_MANIFEST', message: /twice/ });
  assert.throws(() => manifestOf([fileEntry('d/a', '1')]), { code: 'BAD_MANIFEST', message: /lies in d/ });
  assert.throws(() => manifestOf([a, fileEntry('a/b', '1')]), { code: 'BAD_MANIFEST', message: /lies in a/ });
  assert.throws(() => manifestOf([fileEntry('.', '1')]), { code: 'BAD_MANIFEST', message: /directory/ });
});

test('a symlink whose target no disk can hold is refused', () => {
  for (const target of ['', 'a\0b', '\uD800', 'x'.repeat(4096)]) {
    const link = { path: 'l', kind: 'symlink', target, owner: 'root', group: 'root' } as const;
    assert.throws(() => manifestOf([link]), { code: 'BAD_PATH', message: /target of the link "l"/ });
  }
});

test('more than a bundle may hold is refused by name and number', () => {
  const large = fileEntry('large', '', { size: LIMITS.fileBytes + 1 });
  assert.throws(() => manifestOf([large]), {
    code: 'LIMIT',
    message: /large has 16777217 bytes, more than the 16777216 \(16 MiB\) of a file/,
  });
  const four = [1, 2, 3, 4].map((at) => fileEntry(`f${at}`, '', { size: LIMITS.fileBytes }));
  assert.equal(manifestOf(four).length, 4);
  assert.throws(() => manifestOf([...four, fileEntry('one-more', '1')]), {
    code: 'LIMIT',
    message: /67108865 bytes in all, more than the 67108864 \(64 MiB\) of a bundle/,
  });
  const five = [1, 2, 3, 4, 5].map((at) => fileEntry(`f${at}`, '', { size: LIMITS.fileBytes }));
  assert.throws(() => manifestOf(five), { code: 'LIMIT', message: /83886080 bytes in all/ });
  const many = Array.from({ length: LIMITS.files + 1 }, (_, at) => fileEntry(`f${at}`, ''));
  assert.throws(() => manifestOf(many), { code: 'LIMIT', message: /10001 files are more than the 10000/ });
  const folders = Array.from({ length: LIMITS.entries - LIMITS.files }, (_, at) => folderEntry(`d${at}`));
  const full = [...folders, ...many.slice(1)];
  assert.equal(manifestOf(full).length, LIMITS.entries);
  assert.throws(() => manifestOf([...full, folderEntry('one-more')]), { code: 'LIMIT', message: /20001 .* 20000/ });
});

test('pages that nobody wrote so are refused', () => {
  const page = (value: unknown): Uint8Array => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  const entry = fileEntry('a', '1');
  for (const bad of [
    '{',
    {},
    [{ ...entry, path: '../a' }],
    [{ ...entry, mode: '644' }],
    [{ ...entry, sha256: 'x' }],
    [{ ...entry, owner: 'a b' }],
    [{ ...entry, size: -1 }],
    [{ ...entry, kind: 'fifo' }],
    [{ ...entry, unknown: 1 }],
  ])
    assert.throws(
      () => manifestFromPages([page(bad)]),
      (error: Error & { code: string }) => ['BAD_MANIFEST', 'BAD_PATH'].includes(error.code),
      JSON.stringify(bad),
    );
  assert.throws(() => manifestFromPages([Buffer.from([0x5b, 0xff, 0x5d])]), { code: 'BAD_MANIFEST' });
});

test('each content of a manifest is asked for once', () => {
  const refs = blobsOf(manifestOf([folderEntry('d'), fileEntry('a', 'x'), fileEntry('d/b', 'x'), fileEntry('c', 'y')]));
  assert.deepEqual(refs, [
    { sha256: sha256('x'), size: 1 },
    { sha256: sha256('y'), size: 1 },
  ]);
});
