import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  ADDS_MOST,
  type BundleDefinition,
  blobsOf,
  type DraftedRelease,
  decodeHead,
  decodeRelease,
  definitionOf,
  draftRelease,
  encodeHead,
  encodeRelease,
  type Manifest,
  manifestOf,
  paginate,
  type Release,
  sha256,
} from '../src/index.ts';
import { fileEntry, manifest } from './arbitrary.ts';

const DEFINITION = definitionOf({ root: '/etc/web', reload: { command: 'true' } });

function draft(
  manifest: Manifest,
  base?: { release: Release; manifest: Manifest },
  id = 'id',
): ReturnType<typeof draftRelease> {
  return draftRelease({
    bundle: 'web',
    parent: base?.release,
    parentManifest: base?.manifest ?? [],
    definition: DEFINITION,
    manifest,
    id,
    author: 'somebody',
    message: 'why',
    time: '2026-01-01T00:00:00Z',
  });
}

test('a bundle that wants messages takes no release without one, not even the one that lifts the rule', () => {
  const required = { ...definitionOf({ root: '/etc/web' }), message: 'required' } as const;
  const draft = (definition: BundleDefinition, message: string, parent?: Release): DraftedRelease =>
    draftRelease({
      bundle: 'web',
      parent,
      parentManifest: [],
      definition,
      manifest: [],
      id: 'x',
      author: 'me',
      message,
      time: '',
    });
  assert.throws(() => draft(required, ' \n'), {
    code: 'NO_MESSAGE',
    message: 'web takes no release without a message',
  });
  const { release } = draft(required, 'begin');
  const lifted = definitionOf({ root: '/etc/web' });
  assert.throws(() => draft(lifted, '', release), { code: 'NO_MESSAGE' });
  assert.equal(draft(lifted, 'no more', release).release.number, 2);
  assert.equal(draft(lifted, '').release.message, '');
});

test('a draft names exactly what its parent does not hold', () => {
  fc.assert(
    fc.property(manifest(), manifest(), (before, after) => {
      const parent = draft(before).release;
      const { release, pages, added } = draft(after, { release: parent, manifest: before });
      const held = new Set([...paginate(before), ...blobsOf(before)].map((ref) => ref.sha256));
      const needed = new Map([...pages, ...blobsOf(after)].map((ref) => [ref.sha256, ref.size]));
      const missing = [...needed].filter(([hash]) => !held.has(hash));
      assert.deepEqual(new Map(added.map((ref) => [ref.sha256, ref.size])), new Map(missing));
      assert.equal(added.length, missing.length, 'each once');
      assert.deepEqual(release.adds, added.slice(0, ADDS_MOST));
      assert.equal(release.number, 2);
      assert.equal(release.parent, 1);
    }),
  );
});

test('equal content has an equal digest, whoever publishes it when; other content another', () => {
  fc.assert(
    fc.property(manifest(), manifest(), (one, other) => {
      const digest = draft(one).release.digest;
      const parent = draft(other).release;
      assert.equal(draft(one, { release: parent, manifest: other }, 'another id').release.digest, digest);
      const same = JSON.stringify(paginate(one)) === JSON.stringify(paginate(other));
      assert.equal(parent.digest === digest, same);
    }),
  );
});

test('files and bytes are counted', () => {
  const { release } = draft(manifestOf([fileEntry('a', '12345'), fileEntry('b', '12345'), fileEntry('c', '')]));
  assert.equal(release.files, 3);
  assert.equal(release.bytes, 10);
});

test('a record stays far below the limit of a node, however much is new', () => {
  const files = Array.from({ length: 10_000 }, (_, at) => fileEntry(`file-${at}`, `content ${at}`));
  const { release, added } = draft(manifestOf(files));
  assert.ok(added.length > 10_000);
  assert.equal(release.adds.length, ADDS_MOST);
  assert.ok(encodeRelease(release).byteLength < 128 * 1024);
});

test('a message that is too long is refused', () => {
  const long = {
    bundle: 'web',
    parent: undefined,
    parentManifest: [],
    definition: DEFINITION,
    manifest: [],
    id: '',
    author: '',
    time: '',
  };
  assert.throws(() => draftRelease({ ...long, message: 'x'.repeat(16 * 1024 + 1) }), { code: 'LIMIT' });
});

test('a release and a head come back from their records as they were', () => {
  fc.assert(
    fc.property(
      manifest(),
      fc.string(),
      fc.option(fc.integer({ min: 1, max: 99 }), { nil: undefined }),
      (entries, text, back) => {
        const { release } = draftRelease({
          bundle: 'web',
          parent: undefined,
          parentManifest: [],
          definition: DEFINITION,
          manifest: entries,
          id: text,
          author: text,
          message: text,
          time: text,
          ...(back === undefined ? {} : { rollbackOf: back }),
        });
        fc.pre(text.isWellFormed());
        assert.deepEqual(decodeRelease(encodeRelease(release)), release);
        const head = { format: 1, release: release.number, digest: release.digest };
        assert.deepEqual(decodeHead(encodeHead(head)), head);
      },
    ),
  );
});

test('a record of a newer Quorate is refused with what to do, a changed or broken one by what is wrong', () => {
  const { release } = draft(manifestOf([fileEntry('a', '1')]));
  const text = encodeRelease(release).toString();
  const changed = (what: object): string => JSON.stringify({ ...release, ...what });
  assert.throws(() => decodeRelease(changed({ format: 2, unknown: true })), {
    code: 'NEWER_FORMAT',
    message: /format 2.*up to 1.*upgrade Quorate/,
  });
  assert.throws(() => decodeHead('{"format":7}'), { code: 'NEWER_FORMAT' });
  const evil = { ...DEFINITION, reload: { command: 'rm -rf /' } };
  assert.throws(() => decodeRelease(changed({ definition: evil })), {
    code: 'BAD_RECORD',
    message: /does not match its digest/,
  });
  assert.throws(() => decodeRelease(changed({ pages: [] })), { code: 'BAD_RECORD' });
  assert.throws(() => decodeRelease(changed({ number: 0 })), { code: 'BAD_RECORD', message: /number/ });
  for (const bad of [text.slice(0, -5), '', 'null', '[]', '{"format":"1"}', '{"format":0}', '{"format":1.5}'])
    assert.throws(() => decodeRelease(bad), { code: 'BAD_RECORD' }, bad);
  assert.throws(() => decodeRelease(Buffer.from([0x7b, 0xff])), { code: 'BAD_RECORD' });
});

test('a key that a later version of the same format may add is passed over', () => {
  const { release } = draft(manifestOf([fileEntry('a', '1')]));
  assert.deepEqual(decodeRelease(JSON.stringify({ ...release, later: 'something' })), release);
});

test('the digest does not depend on the order in which a definition was written', () => {
  const one = definitionOf({ root: '/etc/web', link: 'files', reload: { timeout: 5, command: 'x' } });
  const other = definitionOf({ reload: { command: 'x', timeout: 5 }, link: 'files', root: '/etc/web/' });
  assert.equal(JSON.stringify(one), JSON.stringify(other));
  assert.equal(sha256(JSON.stringify(one)), sha256(JSON.stringify(other)));
});
