import assert from 'node:assert/strict';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { readRemoteSecret } from '../../src/aws/secrets.ts';
import { clusterSecret, readSettings } from '../../src/index.ts';
import { CloudServer } from './cloud-server.ts';

const SECRET = 'a-secret-of-more-than-32-characters';
const ARN = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:quorate-AbCdEf';

async function cloudWith(secrets: Readonly<Record<string, string>>): Promise<CloudServer> {
  const cloud = await CloudServer.open();
  cloud.pointAt();
  for (const [name, text] of Object.entries(secrets)) cloud.secrets.set(name, text);
  return cloud;
}

test('a secret comes from SSM, decrypted, from Secrets Manager by name or ARN, and from a bucket', async () => {
  await using _ = await cloudWith({
    '/quorate/secret': SECRET,
    quorate: SECRET,
    [ARN]: SECRET,
    's3://keys/web/secret': `${SECRET}\n`,
  });
  for (const where of [
    { ssm: '/quorate/secret' },
    { secretsManager: 'quorate' },
    { secretsManager: ARN },
    { s3: 's3://keys/web/secret?region=eu-central-1' },
  ])
    assert.equal(await clusterSecret(where, {}), SECRET, JSON.stringify(where));
});

test('what is not there, refused, or too short says what to do, and is asked for again by the next who needs it', async () => {
  await using cloud = await cloudWith({ short: 'short' });
  const ssm = { ssm: '/quorate/secret' };
  const missing = /SSM parameter \/quorate\/secret cannot be had: ssm:GetParameter failed: /;
  await assert.rejects(clusterSecret(ssm, {}), { code: 'NO_SECRET', message: missing });
  cloud.refused.set('GetParameter', { code: 'AccessDeniedException', status: 400 });
  const denied = /ssm:GetParameter is refused .*role must allow it/;
  await assert.rejects(clusterSecret(ssm, {}), { code: 'NO_SECRET', message: denied });
  cloud.refused.clear();
  cloud.secrets.set('/quorate/secret', SECRET);
  assert.equal(await clusterSecret(ssm, {}), SECRET);
  const short = /secret in short has 5 characters, 32 to 4096 are wanted/;
  await assert.rejects(clusterSecret({ secretsManager: 'short' }, {}), { code: 'BAD_SETTINGS', message: short });
  const nowhere = { s3: 's3://keys/none?region=eu-central-1' };
  await assert.rejects(clusterSecret(nowhere, {}), { code: 'NO_SECRET', message: /keys\/none.*no such object/ });
});

test('a service that says nothing is given up', async () => {
  await using cloud = await cloudWith({});
  cloud.hangs = true;
  const region = async () => 'eu-central-1';
  for (const where of [{ ssm: '/quorate/secret' }, { secretsManager: 'quorate' }])
    await assert.rejects(readRemoteSecret(where, region, 100), { code: 'NO_SECRET', message: /is not answered/ });
});

test('one answer serves a crowd that joins', async () => {
  await using cloud = await cloudWith({ '/quorate/secret': SECRET });
  const ssm = { ssm: '/quorate/secret' };
  await Promise.all([clusterSecret(ssm, {}), clusterSecret(ssm, {})]);
  await clusterSecret(ssm, {});
  assert.equal(cloud.count('GetParameter'), 1);
});

test('the settings take a path, or one of the places', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'quorate-secret-'));
  const config = join(folder.path, 'quorate.yaml');
  const secret = async (text: string): Promise<unknown> => {
    await writeFile(config, `ensemble: {cluster: c, discovery: {addresses: []}, secret: ${text}}\n`);
    return (await readSettings({ config }, {})).ensemble?.secret;
  };
  assert.equal(await secret('/etc/quorate/secret'), '/etc/quorate/secret');
  assert.equal(await secret('{file: /etc/quorate/secret}'), '/etc/quorate/secret');
  assert.deepEqual(await secret('{ssm: /quorate/secret}'), { ssm: '/quorate/secret' });
  for (const wrong of ['{s3: s3://bucket}', '{ssm: a, file: /b}', '{vault: x}', 'relative'])
    await assert.rejects(secret(wrong), { code: 'BAD_SETTINGS', message: /ensemble\.secret/ }, wrong);
});
