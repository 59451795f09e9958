import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import test from 'node:test';
import {
  decodeRelease,
  decodeTaken,
  definitionOf,
  digestOf,
  draftRelease,
  encodeRelease,
  encodeTaken,
  isAsSigned,
  judgeSigned,
  parsePublicKey,
  publicKeyText,
  type Release,
  signRelease,
  type TakenRelease,
} from '../src/index.ts';
import { fileEntry } from './arbitrary.ts';

const newKey = (): KeyObject => generateKeyPairSync('ed25519').privateKey;
const ANN = newKey();
const EVE = newKey();
const KEYS = [{ key: publicKeyText(ANN), name: 'ann' }];

function unsigned(text: string, parent?: Release, bundle = 'web'): Release {
  return draftRelease({
    bundle,
    parent,
    parentManifest: [],
    definition: definitionOf({ root: '/etc/web' }),
    manifest: [fileEntry('a', text)],
    id: `id of ${text}`,
    author: 'ann',
    message: text,
    time: '2026-01-01T00:00:00Z',
  }).release;
}
const signed = (text: string, parent?: Release, key = ANN, bundle = 'web'): Release =>
  signRelease(unsigned(text, parent, bundle), key, { parent });

const ONE = signed('1');
const TWO = signed('2', ONE);
const THREE = signed('3', TWO);

/** What an instance has taken after these releases. */
function taken(...line: Release[]): TakenRelease | undefined {
  let mark: TakenRelease | undefined;
  for (const release of line) {
    const judgement = judgeSigned('web', release, KEYS, mark);
    assert.ok(judgement.ok, JSON.stringify(judgement));
    mark = decodeTaken(encodeTaken(judgement.mark).toString('utf8'));
  }
  return mark;
}

test('a signature survives the record, and a key its text', () => {
  assert.deepEqual(decodeRelease(encodeRelease(TWO)), TWO);
  assert.ok(isAsSigned(decodeRelease(encodeRelease(TWO))));
  assert.equal(publicKeyText(parsePublicKey(KEYS[0]!.key)), KEYS[0]!.key);
  assert.match(KEYS[0]!.key, /^ed25519:[\w-]{43}$/);
  for (const text of ['', 'ed25519:', `${KEYS[0]!.key}x`, 'ssh-ed25519 AAAA', KEYS[0]!.key.slice(1)])
    assert.throws(() => parsePublicKey(text), { code: 'BAD_KEY' }, text);
});

test('nothing that counts can be changed after signing', () => {
  const root = definitionOf({ root: '/etc/other' });
  const changes: Partial<Release>[] = [
    { bundle: 'other' },
    { number: 3 },
    { parent: 0 },
    { id: 'another' },
    { author: 'bob' },
    { message: 'something else' },
    { time: '2026-01-02T00:00:00Z' },
    { rollbackOf: 1 },
    { definition: root },
    { definition: root, digest: digestOf(root, TWO.pages) },
    { pages: ONE.pages },
    { pages: ONE.pages, digest: ONE.digest },
    { signature: { ...TWO.signature!, parentDigest: TWO.digest } },
    { signature: { ...TWO.signature!, back: { number: 1, digest: ONE.digest } } },
    { signature: { ...TWO.signature!, key: publicKeyText(EVE) } },
    { signature: { ...TWO.signature!, key: 'ed25519:nonsense' } },
    { signature: { ...TWO.signature!, value: '' } },
    { signature: { ...TWO.signature!, value: ONE.signature!.value } },
  ];
  for (const change of changes) assert.equal(isAsSigned({ ...TWO, ...change }), false, JSON.stringify(change));
});

test('a line is taken forwards, with gaps, and the same release again', () => {
  assert.deepEqual(taken(ONE, ONE, TWO), { number: 2, digest: TWO.digest, id: TWO.id });
  assert.equal(taken(ONE, THREE)?.number, 3);
  assert.equal(taken(THREE)?.number, 3);
  const back = signRelease({ ...unsigned('1', THREE), rollbackOf: 1 }, ANN, { parent: THREE });
  assert.equal(taken(ONE, TWO, THREE, back)?.number, 4);
});

test('what a captured store may try is refused, each with what to do', () => {
  const stolen = signed('2', ONE, EVE);
  const elsewhere = signed('1', undefined, ANN, 'other');
  const forked = signed('2, but lost', ONE);
  const attacks: [string, Release, TakenRelease | undefined, RegExp][] = [
    ['unsigned', unsigned('2', ONE), taken(ONE), /^release 2 of web is not signed.* --sign$/],
    ['signed by a stranger', stolen, taken(ONE), /is signed by ed25519:.*, which is none of the keys.*`trust: keys:`/],
    [
      'signed by a stranger in another name',
      { ...stolen, signature: { ...stolen.signature!, key: KEYS[0]!.key } },
      taken(ONE),
      /not as it was signed/,
    ],
    [
      'other content under a signature',
      { ...TWO, pages: ONE.pages, digest: ONE.digest },
      taken(ONE),
      /not as it was signed/,
    ],
    ['of another bundle', elsewhere, undefined, /is one of other in truth/],
    ['of another bundle, renamed', { ...elsewhere, bundle: 'web' }, undefined, /not as it was signed/],
    ['moved to another number', { ...ONE, number: 3, parent: 2 }, taken(TWO), /not as it was signed/],
    [
      'an older one',
      ONE,
      taken(ONE, TWO, THREE),
      /is older than release 3.*no signed rollback.*`quorate key forget BUNDLE`/,
    ],
    [
      'another one under a number',
      forked,
      taken(ONE, TWO),
      /is another one than this instance has taken under that number/,
    ],
    ['upon another line', signed('3', forked), taken(ONE, TWO), /was made upon another release 2 than/],
    ['the beginning of another line', signed('another 1'), taken(ONE, TWO), /is older than release 2/],
  ];
  for (const [what, release, mark, reason] of attacks) {
    const judgement = judgeSigned('web', release, KEYS, mark);
    assert.ok(!judgement.ok, what);
    assert.match(judgement.reason, reason, what);
  }
});

test('a key may be good for some bundles alone', () => {
  const keys = [{ key: publicKeyText(ANN), name: 'ann', bundles: ['web'] }];
  assert.ok(judgeSigned('web', ONE, keys, undefined).ok);
  const other = judgeSigned('other', signed('1', undefined, ANN, 'other'), keys, undefined);
  assert.deepEqual(other, { ok: false, reason: 'release 1 of other is signed by ann, which may sign web alone' });
});

test('a rollout goes back to where its signed release says, and nowhere else', () => {
  const three = signRelease(unsigned('3', TWO), ANN, { parent: TWO, back: TWO });
  const mark = taken(ONE, TWO, three);
  assert.deepEqual(judgeSigned('web', TWO, KEYS, mark), { ok: true, mark });
  assert.equal(judgeSigned('web', three, KEYS, mark).ok, true);
  assert.equal(judgeSigned('web', ONE, KEYS, mark).ok, false);
  assert.equal(judgeSigned('web', signed('2, but lost', ONE), KEYS, mark).ok, false);
  assert.equal(judgeSigned('web', unsigned('2', ONE), KEYS, mark).ok, false);
});
