import assert from 'node:assert/strict';
import { mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { readSettings } from '@quorate/agent';
import { CloudServer } from '../../agent/test/aws/cloud-server.ts';
import { fleetChecks } from '../src/doctor/fleet.ts';

const ID = 'i-0123456789abcdef0';
const SECRET = 'a-secret-of-more-than-32-characters';

async function looked(text: string, folder: string): Promise<Record<string, [result: string, detail: string]>> {
  const config = join(folder, 'quorate.yaml');
  await writeFile(config, text);
  const said = { config, state: join(folder, 'state'), instance: ID, address: '10.0.0.1', zone: 'a' };
  const checks = await fleetChecks(await readSettings(said, {}));
  return Object.fromEntries(checks.map(({ name, result, detail }) => [name, [result, detail]]));
}

test('doctor asks who the machines are, who settles the founding, and what lets newcomers in', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'quorate-doctor-'));
  await using cloud = await CloudServer.open();
  cloud.pointAt();
  cloud.launch({ id: ID, state: 'running', group: 'web' });
  cloud.secrets.set('/quorate/secret', SECRET);
  await mkdir(join(folder.path, 'arbiter'));
  const ensemble = `ensemble: {cluster: c, discovery: {autoScaling: {}}, arbiter: {file: ${folder.path}/arbiter}, secret: {ssm: /quorate/secret}}`;
  assert.deepEqual(await looked(`aws: {}\n${ensemble}\n`, folder.path), {
    discovery: ['ok', "this instance's auto-scaling group: 1 machine"],
    arbiter: ['ok', `${folder.path}/arbiter: nobody has founded yet`],
    secret: ['ok', 'ssm /quorate/secret can be read'],
  });
  cloud.refused.set('DescribeInstances', { code: 'UnauthorizedOperation', status: 403 });
  cloud.secrets.clear();
  const refused = await looked(`aws: {}\n${ensemble.replace('/arbiter}', '/none}')}\n`, folder.path);
  assert.deepEqual(
    Object.values(refused).map(([result]) => result),
    ['fail', 'fail', 'fail'],
  );
  assert.match(refused.discovery![1], /ec2:DescribeInstances is refused .*role must allow it/);
  assert.match(refused.arbiter![1], /no such folder: mount the share/);
  assert.match(refused.secret![1], /ssm:GetParameter failed/);
});

test('without an ensemble there is nothing of it to look at', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'quorate-doctor-'));
  assert.deepEqual(await looked('store: dir:/nowhere\n', folder.path), {});
});
