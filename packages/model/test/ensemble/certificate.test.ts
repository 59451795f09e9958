import assert from 'node:assert/strict';
import test from 'node:test';
import { distinguishedName, isCertificateKind, parseSubject } from '../../src/index.ts';

test('a certificate names its kind and its cluster; a publisher may be one of a single bundle', () => {
  for (const kind of ['instance', 'operator', 'publisher', 'publisher:web', 'publisher:edge.1', 'reader'] as const) {
    assert.deepEqual(parseSubject(`O=c-1\nCN=${kind}`), { kind, cluster: 'c-1' });
    assert.equal(distinguishedName(kind, 'c-1'), `CN=${kind},O=c-1`);
  }
});

test('what no authority of ours writes is nobody', () => {
  for (const kind of [
    '',
    'root',
    'Instance',
    'publisher:',
    'publisher:../x',
    'publisher:A',
    'publisher:a:b',
    'reader:web',
    'publisher:a,O=x',
  ])
    assert.equal(isCertificateKind(kind), false, kind);
  for (const subject of ['', 'CN=reader', 'CN=reader\nO=c', 'O=c\nCN=reader\nOU=x', 'O=c d\nCN=reader', 'O=c\nreader'])
    assert.equal(parseSubject(subject), undefined, subject);
});
