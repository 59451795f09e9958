import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AwsCloud, ParameterDeployments } from '../../src/aws/index.ts';
import { readRemoteSecret } from '../../src/aws/secrets.ts';
import { CloudServer } from './cloud-server.ts';

const HOUR = 3_600_000;
const { signal } = new AbortController();

test('with a clock that is an hour off a client asks once more, for the time; from then on an answer that is an error is asked for once', async (t) => {
  await using server = await CloudServer.open();
  server.pointAt();
  const cloud = new AwsCloud('eu-central-1');
  const hook = { group: 'web', instance: 'i-0123456789abcdef0', name: 'quorate-terminating' };
  const deployments = new ParameterDeployments({ aws: { region: 'eu-central-1', lifeCycle: false } }, '/quorate');
  server.refused.set('GetParametersByPath', { code: 'AccessDeniedException', status: 400 });
  server.refused.set('DescribeInstances', { code: 'UnauthorizedOperation', status: 403 });
  const clients: readonly { action: string; ask(): Promise<unknown> }[] = [
    { action: 'RecordLifecycleActionHeartbeat', ask: () => cloud.answer(hook, 'heartbeat', signal) },
    { action: 'DescribeInstances', ask: () => cloud.instances(['i-0123456789abcdef0'], signal) },
    { action: 'GetParametersByPath', ask: () => deployments.announced(signal) },
  ];
  for (const ahead of [HOUR, -HOUR]) {
    server.ahead = ahead;
    for (const { action, ask } of clients)
      await t.test(`${action}, ${ahead > 0 ? 'behind' : 'ahead'}`, async () => {
        for (const requests of [2, 1, 1]) {
          const before = server.count(action);
          await ask().catch(() => undefined); // an error is what is asked for here
          assert.equal(server.count(action) - before, requests);
        }
      });
  }
});

test('a secret is had with such a clock too, and one that is not there is asked for twice at most', async () => {
  await using server = await CloudServer.open();
  server.pointAt();
  server.ahead = HOUR;
  server.secrets.set('/quorate/secret', 'a-secret');
  const region = async (): Promise<string> => 'eu-central-1';
  assert.equal(await readRemoteSecret({ ssm: '/quorate/secret' }, region), 'a-secret');
  await assert.rejects(readRemoteSecret({ secretsManager: 'quorate' }, region), { code: 'NO_SECRET' });
  assert.equal(server.count('GetSecretValue'), 2);
});
