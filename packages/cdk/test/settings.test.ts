import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSettings } from '@quorate/agent';
import { settingsFile } from '../src/settings.ts';

const settings = {
  cluster: '0d4f6a52-6f0e-8d1f-aa83-6a1f5c1f2d77',
  region: 'eu-west-1',
  bucket: 'web-fleetbucket-1',
  secret: { secretsManager: 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:FleetSecret-AbCdEf' },
  deployments: '/quorate/0d4f6a52-6f0e-8d1f-aa83-6a1f5c1f2d77/bundles',
  durability: 'quorum',
} as const;

test('the agent takes what the construct writes', async () => {
  for (const more of [{}, { metrics: '/var/log/quorate/metrics.log', founding: { voters: 3 } }]) {
    const read = await parseSettings(settingsFile({ ...settings, ...more }), '/etc/quorate/quorate.yaml');
    assert.equal(read.ensemble?.cluster, settings.cluster);
    assert.deepEqual(read.ensemble?.secret, settings.secret);
    assert.equal(read.aws?.deployments, settings.deployments);
  }
  const secret = { ssm: '/quorate/secret' };
  const read = await parseSettings(settingsFile({ ...settings, secret }), '/etc/quorate/quorate.yaml');
  assert.deepEqual(read.ensemble?.secret, secret);
});
