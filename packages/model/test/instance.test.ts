import assert from 'node:assert/strict';
import test from 'node:test';
import { BUNDLE_STATES, decodeStatus, encodeStatus, type InstanceStatus } from '../src/index.ts';

const status: InstanceStatus = {
  format: 1,
  id: 'web-1',
  host: 'web-1.example',
  address: '10.0.0.1',
  zone: 'a',
  version: '0.1.0',
  member: 'leader',
  bundles: Object.fromEntries(
    BUNDLE_STATES.map((state) => [state, { applied: 3, digest: 'd', target: 4, state, detail: 'what happened' }]),
  ),
  clock: { offset: -12.5, error: 2, epoch: 3 },
};

test('a status comes back from its record as it was, in every state', () => {
  assert.deepEqual(decodeStatus(encodeStatus(status)), status);
});

test('a status that nobody of ours wrote is refused', () => {
  assert.throws(() => decodeStatus(encodeStatus({ ...status, format: 2 })), { code: 'NEWER_FORMAT' });
  assert.throws(() => decodeStatus('{"format":1}'), { code: 'BAD_RECORD', message: /id/ });
  const unknown = { ...status, bundles: { web: { applied: 1, digest: '', target: 1, state: 'confused' } } };
  assert.throws(() => decodeStatus(JSON.stringify(unknown)), { code: 'BAD_RECORD', message: /bundles\.web\.state/ });
});
