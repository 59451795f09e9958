import assert from 'node:assert/strict';
import test from 'node:test';
import { redact } from '../src/index.ts';

test('values are hidden wherever they stand, longer ones first, and each line of a long one', () => {
  assert.equal(redact('user=a password=hunter2 x', ['hunter2']), 'user=a password=•••• x');
  assert.equal(redact('abcdef abc', ['abc', 'abcdef']), '•••• ••••');
  assert.equal(redact('[value]', ['value\n']), '[••••]');
  const key = '-----BEGIN KEY-----\nMIGHAgEAMBMG\n-----END KEY-----\n';
  assert.equal(redact('line 2: MIGHAgEAMBMG is bad', [key]), 'line 2: •••• is bad');
  assert.equal(redact('nothing', ['', '\n']), 'nothing');
});
