import assert from 'node:assert/strict';
import test from 'node:test';
import {
  decodeSecrets,
  type Entry,
  encodeSecrets,
  manifestOf,
  nativeEntries,
  SECRETS_FORMAT,
  secretAt,
  secretPath,
  sha256,
  withOwnFiles,
} from '../src/index.ts';

const owned = { owner: 'root', group: 'root' };
const folder = (path: string): Entry => ({ path, kind: 'directory', mode: '0755', ...owned });
const file = (path: string, text = path): Entry => ({
  path,
  kind: 'file',
  mode: '0644',
  ...owned,
  size: text.length,
  sha256: sha256(text),
});
const WITH = manifestOf([folder('.'), folder('.quorate'), file('.quorate/note'), file('.quorate.conf'), file('a')]);
const paths = (entries: readonly Entry[]): string => entries.map(({ path }) => path).join(' ');

test('what is for Quorate has no native path, and names like its own have', () => {
  assert.equal(paths(nativeEntries(WITH)), '. .quorate.conf a');
  const plain = manifestOf([folder('.'), file('a')]);
  assert.equal(nativeEntries(plain), plain);
});

test('a set of files keeps what the release before has for Quorate, unless it says itself what there is', () => {
  const plain = manifestOf([folder('.'), file('b')]);
  assert.equal(paths(withOwnFiles(WITH, plain)), '. .quorate .quorate/note b');
  const own = manifestOf([folder('.'), folder('.quorate'), file('b')]);
  assert.equal(withOwnFiles(WITH, own), own);
  assert.equal(withOwnFiles(plain, plain), plain);
});

test('a secret has one place, and its name is one that templates can write', () => {
  assert.equal(secretPath('db_password'), '.quorate/secrets/db_password.age');
  assert.equal(secretAt(secretPath('db_password')), 'db_password');
  for (const name of ['', 'a-b', '1a', '../a', 'constructor', 'a.b'])
    assert.throws(() => secretPath(name), { code: 'BAD_PATH' }, name);
  for (const path of ['.quorate/secrets/a-b.age', '.quorate/secrets/a', 'secrets/a.age', '.quorate/secrets/x/a.age'])
    assert.equal(secretAt(path), undefined, path);
});

test('the record of the secrets is read as it was written, and nothing else is', () => {
  const record = {
    format: SECRETS_FORMAT,
    generation: 2,
    recipients: [`age1${'q'.repeat(58)}`, 'kms:arn:aws:kms:eu-west-1:123456789012:key/1'],
    outside: { a: { file: '/run/a' }, b: { command: 'true' }, c: { secretsManager: 'c' } },
  };
  assert.deepEqual(decodeSecrets(encodeSecrets(record)), record);
  for (const wrong of [
    { ...record, format: 2 },
    { ...record, recipients: ['nobody'] },
    { ...record, outside: { a: { vault: 'x' } } },
    { ...record, outside: { 'a-b': { file: '/x' } } },
    { ...record, generation: 0 },
  ])
    assert.throws(() => decodeSecrets(Buffer.from(JSON.stringify(wrong))), JSON.stringify(wrong));
});
