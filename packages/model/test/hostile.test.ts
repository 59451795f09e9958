import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  BUNDLE_STATES,
  checkPath,
  DEFAULT_PORTS,
  decodeGrant,
  decodeHead,
  decodeJoinRequest,
  decodeRefusal,
  decodeRelease,
  decodeStatus,
  definitionOf,
  draftRelease,
  encodeHead,
  encodePeerRecord,
  encodeRelease,
  encodeStatus,
  type InstanceStatus,
  isBundleName,
  ModelError,
  manifestFromPages,
  manifestOf,
  paginate,
} from '../src/index.ts';
import { fileEntry, folderEntry, manifest } from './arbitrary.ts';

const { release } = draftRelease({
  bundle: 'web',
  parent: undefined,
  parentManifest: [],
  definition: definitionOf({ root: '/etc/web', reload: { command: 'true', timeout: 3 }, ignore: ['*.bak'] }),
  manifest: manifestOf([folderEntry('d'), fileEntry('d/a', '1')]),
  id: 'id',
  author: 'somebody',
  message: 'why',
  time: '2026-01-01T00:00:00Z',
});
const status: InstanceStatus = {
  format: 1,
  id: 'i',
  host: 'h',
  version: '0',
  bundles: { web: { applied: 1, digest: '', target: 1, state: 'applied' } },
  clock: { offset: 0.5, error: 1, epoch: 3 },
};
const joining = {
  format: 1,
  instance: 'web-1',
  addresses: ['10.0.0.1', 'fd00::1'],
  csr: 'PEM',
  token: { id: 'abcdefgh', secret: 'abcdefghijkl' },
};
const grant = {
  format: 1,
  cluster: 'c',
  kind: 'instance',
  certificate: 'PEM',
  authority: 'PEM',
  instances: ['10.0.0.1'],
  ports: DEFAULT_PORTS,
};
const CODECS: readonly [string, (bytes: Uint8Array) => unknown, (value: never) => Buffer, object][] = [
  ['release', decodeRelease, encodeRelease, release],
  ['head', decodeHead, encodeHead, { format: 1, release: 1, digest: release.digest }],
  ['status', decodeStatus, encodeStatus, status],
  ['join request', decodeJoinRequest, encodePeerRecord, joining],
  ['grant', decodeGrant, encodePeerRecord, grant],
  ['refusal', decodeRefusal, encodePeerRecord, { format: 1, error: { code: 'FAILED', message: 'why' } }],
];

/** What somebody might put in the place of any value. */
const evil = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    '',
    'x',
    [],
    {},
    0,
    -0,
    -1,
    0.5,
    1e308,
    -1e308,
    2 ** 53,
    Number.MAX_SAFE_INTEGER + 2,
  ),
  fc.constantFrom<unknown>('\u0000', '\uD800', '../..', '__proto__', 'e\u0301', '\u00e9', 'x'.repeat(20_000)),
  fc.json().map((text) => JSON.parse(text)),
);
const evilKey = fc.constantFrom(
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'length',
  'format',
  '0',
  '',
);

/** A value with something evil in one place of it; as text, since an object cannot hold `__proto__` plainly. */
function mutated(value: object): fc.Arbitrary<string> {
  const places: string[] = [];
  JSON.stringify(value, (key, inner) => {
    places.push(key);
    return inner;
  });
  return fc
    .record({ at: fc.nat(places.length - 1), what: fc.constantFrom('replace', 'remove', 'add'), key: evilKey, evil })
    .map((change) => {
      let step = 0;
      return (
        JSON.stringify(value, (_, inner) => {
          if (step++ !== change.at) return inner;
          if (change.what === 'replace') return change.evil;
          if (change.what === 'remove') return undefined;
          return Array.isArray(inner) || typeof inner !== 'object'
            ? [inner, change.evil]
            : withKey(inner, change.key, change.evil);
        }) ?? 'null'
      );
    });
}

function withKey(object: object, key: string, value: unknown): object {
  return Object.defineProperty({ ...object }, key, { value, enumerable: true });
}

test('whatever stands in a record, it is read as it says or refused by a ModelError, and prototypes stay as they are', () => {
  for (const [name, decode, encode, value] of CODECS) {
    let read = 0;
    fc.assert(
      fc.property(
        fc.oneof(
          { weight: 8, arbitrary: mutated(value) },
          { weight: 1, arbitrary: fc.json() },
          { weight: 1, arbitrary: fc.string() },
        ),
        (text) => {
          let found: unknown;
          try {
            found = decode(Buffer.from(text));
          } catch (error) {
            assert.ok(error instanceof ModelError, `${name}: ${text}: ${error}`);
            assert.ok(error.code === 'BAD_RECORD' || error.code === 'NEWER_FORMAT', error.code);
            assert.ok(error.message.length < 1500, 'a message stays short');
            return;
          }
          read++;
          assert.equal(Object.getPrototypeOf(found), Object.prototype);
          assert.deepEqual(decode(encode(found as never)), found);
        },
      ),
      { numRuns: 500 },
    );
    assert.ok(read > 0, `${name}: some are read`);
    assert.deepEqual(Object.keys({}), []);
    assert.equal(({} as { format?: unknown }).format, undefined);
  }
});

test('a status tells of every bundle that may be called so', () => {
  const states = fc.record({
    applied: fc.nat(),
    digest: fc.string(),
    target: fc.nat(),
    state: fc.constantFrom(...BUNDLE_STATES),
  });
  const names = fc.oneof(evilKey, fc.string(), fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,5}$/));
  fc.assert(
    fc.property(fc.array(fc.tuple(names, states)), (entries) => {
      const bundles = Object.fromEntries(JSON.parse(JSON.stringify(entries)) as typeof entries);
      const found = decodeStatus(encodeStatus({ ...status, bundles })).bundles;
      for (const [name, state] of Object.entries(bundles)) {
        if (isBundleName(name)) assert.deepEqual(found[name], state);
      }
    }),
  );
});

test('pages are read as they were written or refused, whatever stands in them', () => {
  const entries = [folderEntry('d'), fileEntry('d/a', '1'), fileEntry('e', '2', { template: true })];
  fc.assert(
    fc.property(fc.oneof(mutated(entries), fc.json()), (text) => {
      const canonical = text.replace(
        /^\[(.*)\]$/s,
        (_, inner: string) => `[\n${inner.replaceAll('},{', '},\n{')}\n]\n`,
      );
      for (const page of [text, canonical].map((each) => Buffer.from(each))) {
        let found: ReturnType<typeof manifestFromPages>;
        try {
          found = manifestFromPages([page]);
        } catch (error) {
          assert.ok(error instanceof ModelError, `${text}: ${error}`);
          assert.ok(['BAD_MANIFEST', 'BAD_PATH', 'LIMIT'].includes(error.code), error.code);
          continue;
        }
        assert.deepEqual(Buffer.concat(paginate(found).map(({ bytes }) => bytes)), page);
      }
    }),
    { numRuns: 1000 },
  );
});

test('a manifest has one writing: other orders, keys or spaces are refused', () => {
  const [a, b] = [fileEntry('a', '1'), fileEntry('b', '2')];
  const page = (...lines: string[]): Buffer => Buffer.from(`[\n${lines.join(',\n')}\n]\n`);
  const [textA, textB] = [JSON.stringify(a), JSON.stringify(b)];
  assert.deepEqual(manifestFromPages([page(textA), page(textB)]), [a, b], 'where pages end is free');
  for (const pages of [
    [page(textB, textA)],
    [page(textB), page(textA)],
    [page(textA, textA)],
    [page(textA.replace('{', '{ '))],
    [page(textA.replace('"kind":"file",', '').replace('}', ',"kind":"file"}'))],
    [page(textA.replace('}', ',"toString":1}'))],
    [page(textA.replace('}', ',"path":"a"}'))],
    [page(textA.replace('"a"', '"\\u0061"'))],
    [page()],
    [Buffer.from(`[${textA}]`)],
  ])
    assert.throws(() => manifestFromPages(pages), { code: 'BAD_MANIFEST' }, pages.join(''));
});

test('names that differ in case or normalisation are different files, and all come back', () => {
  const names = [
    'A',
    'a',
    'caf\u00e9',
    'cafe\u0301',
    'back\\slash',
    'ＡＢ',
    'nbsp\u00a0',
    ' ',
    '-rf',
    '%2e%2e',
    'con',
    'a:b',
    'new\nline',
    '\u202e',
  ];
  const entries = manifestOf(names.map((name) => fileEntry(name, name)));
  assert.equal(entries.length, names.length);
  assert.deepEqual(manifestFromPages(paginate(entries).map(({ bytes }) => bytes)), entries);
});

test('paths that are no plain relative path are refused in a page too', () => {
  for (const path of [
    '',
    '/',
    '/etc/passwd',
    'a/',
    'a//b',
    '.',
    './a',
    'a/.',
    'a/./b',
    '..',
    '../a',
    'a/..',
    'a/../b',
    'a\0b',
    '\uD800',
    '\uFFFD',
    'x'.repeat(256),
  ]) {
    if (path !== '.') assert.throws(() => checkPath(path), { code: 'BAD_PATH' }, JSON.stringify(path));
    const page = Buffer.from(`[\n${JSON.stringify({ ...fileEntry('a', '1'), path })}\n]\n`);
    assert.throws(
      () => manifestFromPages([page]),
      (error: ModelError) => ['BAD_PATH', 'BAD_MANIFEST'].includes(error.code),
      JSON.stringify(path),
    );
  }
});

test('what is not told in a record has no room in one: a definition or an author without end is refused', () => {
  const draft = { bundle: 'web', parent: undefined, parentManifest: [], manifest: [], id: '', message: '', time: '' };
  const definition = definitionOf({ root: '/etc/web' });
  const long = 'x'.repeat(512 * 1024);
  assert.throws(() => draftRelease({ ...draft, definition, author: long }), { code: 'LIMIT', message: /524288/ });
  const reload = { command: long };
  assert.throws(() => draftRelease({ ...draft, definition: { ...definition, reload }, author: '' }), { code: 'LIMIT' });
});

test('any manifest fits its release into a record', () => {
  fc.assert(
    fc.property(manifest({ maxLength: 60 }), (entries) => {
      const drafted = draftRelease({ ...release, parent: undefined, parentManifest: [], manifest: entries });
      assert.deepEqual(decodeRelease(encodeRelease(drafted.release)), drafted.release);
    }),
  );
});
