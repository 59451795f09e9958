import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openStore } from '@quorate/store';
import { Place } from './place.ts';

test('fleet shows deployments that are not published, as the machine that leads tells of them', async () => {
  using place = new Place();
  await using store = await openStore(`dir:${place.path('store')}`);
  const status = { format: 1, host: 'h', version: '0', bundles: {} };
  await store.report({ ...status, id: 'a' });
  const deployments = [
    { bundle: 'web', reason: 'it would undo release 2' },
    { reason: 'ssm:GetParametersByPath is refused' },
  ];
  await store.report({ ...status, id: 'b', deployments });
  const shown = await place.quorate(['fleet']);
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /\n! deployment of web: it would undo release 2\n! deployments: ssm:Get\w+ is refused\n/);
  const { instances } = JSON.parse((await place.quorate(['fleet', '--json'])).stdout);
  assert.deepEqual(instances[1].deployments, deployments);
});
