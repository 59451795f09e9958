import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { groupTemplate, HOOKS } from '../../lab/template.ts';
import { deploy, Group, Region } from '../../src/cloud/index.ts';
import { type Instance, until } from '../../src/index.ts';

const skip = (await Region.unavailable()) ?? false;
/** of those that the construct makes: nobody here completes a launching one */
const hooks = HOOKS.filter(({ on }) => on === 'TERMINATING');
const HOOK = hooks[0]!.name;
/** As the construct has it. */
const properties = { InstanceMaintenancePolicy: { MinHealthyPercentage: 100, MaxHealthyPercentage: 110 } };
const METADATA = 'http://169.254.169.254/latest';
const PATIENCE = 120_000;

let region: Region;
let group: Group;
before(async () => {
  if (skip) return;
  region = await Region.open();
  const userData = '#!/bin/sh\necho "booted with $AWS_ENDPOINT_URL"\n';
  const { resources } = await deploy(region, 'web', groupTemplate({ userData, hooks, properties }));
  group = new Group(region, resources.get('Group')!.id);
});
after(async () => {
  group?.[Symbol.dispose]();
  await region?.[Symbol.asyncDispose]();
});

const only = (id: string): Instance => region.machines.get(id)!;

async function token(machine: Instance): Promise<string> {
  const ask = ['-X', 'PUT', '-H', 'X-aws-ec2-metadata-token-ttl-seconds: 60', `${METADATA}/api/token`];
  return (await machine.run(['curl', '-sSf', '--max-time', '5', ...ask])).stdout;
}

/** What an instance hears of itself; undefined: there is no such thing now. */
async function metadata(machine: Instance, path: string): Promise<string | undefined> {
  const header = `X-aws-ec2-metadata-token: ${await token(machine)}`;
  const ask = ['-H', header, '-w', '\n%{http_code}', `${METADATA}/${path}`];
  const { stdout } = await machine.run(['curl', '-sS', '--max-time', '5', ...ask]);
  const at = stdout.lastIndexOf('\n');
  const status = Number(stdout.slice(at + 1));
  assert.ok(status === 200 || status === 404, `${path}: ${status}`);
  return status === 200 ? stdout.slice(0, at) : undefined;
}

test('a group that CloudFormation made has three machines in three zones; each knows itself by IMDSv2 and booted from its user data', {
  skip,
}, async () => {
  const ids = await group.comesTo(3, PATIENCE);
  const zones = await Promise.all(ids.map((id) => metadata(only(id), 'meta-data/placement/availability-zone')));
  assert.deepEqual(zones.toSorted(), ['eu-central-1a', 'eu-central-1b', 'eu-central-1c']);
  const [id] = ids as [string];
  const machine = only(id);
  assert.equal(await metadata(machine, 'meta-data/instance-id'), id);
  assert.equal(await metadata(machine, 'meta-data/local-ipv4'), machine.address);
  assert.equal(await metadata(machine, 'meta-data/tags/instance/aws:autoscaling:groupName'), group.name);
  assert.equal(await metadata(machine, 'meta-data/autoscaling/target-lifecycle-state'), 'InService');
  assert.equal(await metadata(machine, 'meta-data/spot/instance-action'), undefined);
  const role = await metadata(machine, 'meta-data/iam/security-credentials/');
  assert.match((await metadata(machine, `meta-data/iam/security-credentials/${role}`))!, /"Code": "Success"/);
  const document = JSON.parse((await metadata(machine, 'dynamic/instance-identity/document'))!) as { region: string };
  assert.equal(document.region, 'eu-central-1');
  await until('the user data has run', async () =>
    (await machine.log('cloud-init-output.log')).includes(`booted with ${region.endpoint}`),
  );
  const { stdout } = await machine.run([
    'curl',
    '-sS',
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    `${METADATA}/meta-data/`,
  ]);
  assert.equal(stdout, '401', 'IMDSv1 is not answered');
});

test('scaled in, an instance waits for its hook, and is gone only when that is completed', { skip }, async () => {
  await group.comesTo(3, PATIENCE);
  await group.setDesired(1);
  const waiting = await until('two wait', async () => {
    const members = await group.members();
    const there = members.filter(({ LifecycleState }) => LifecycleState === 'Terminating:Wait');
    return there.length === 2 && there.map(({ InstanceId }) => InstanceId!);
  });
  for (const id of waiting) {
    assert.ok(only(id).running);
    assert.equal(await metadata(only(id), 'meta-data/autoscaling/target-lifecycle-state'), 'Terminated');
  }
  await assert.rejects(group.complete('another', waiting[0]!), /No active Lifecycle Action/);
  for (const id of waiting) await group.complete(HOOK, id);
  await group.comesTo(1, PATIENCE);
  assert.deepEqual([...region.machines.keys()], await group.inService());
  const states = (await region.instances()).filter(({ id }) => waiting.includes(id)).map(({ state }) => state);
  assert.deepEqual(states, ['terminated', 'terminated']);
});

test('what fails or is terminated past the group is replaced, what still runs by another that serves first', {
  skip,
}, async () => {
  const [first] = (await group.comesTo(1, PATIENCE)) as [string];
  await region.terminate(first);
  const second = await until(
    'another serves',
    async () => (await group.inService()).find((id) => id !== first),
    PATIENCE,
  );
  await region.failHardware(second);
  const members = await until(
    'it waits for a hook that nobody completes',
    async () => {
      const found = await group.members();
      const failed = found.find(({ InstanceId }) => InstanceId === second);
      return failed?.LifecycleState === 'Terminating:Wait' && found;
    },
    PATIENCE,
  );
  assert.ok(members.some(({ LifecycleState }) => LifecycleState === 'InService'));
  await group.complete(HOOK, second);
  await until('a third serves', async () => (await group.comesTo(1, PATIENCE)).every((id) => id !== second), PATIENCE);
});

test('a refresh replaces all, and never more at once than it may', { skip }, async () => {
  await group.setDesired(3);
  const before = await group.comesTo(3, PATIENCE);
  const refresh = await group.refresh({ MinHealthyPercentage: 66, MaxHealthyPercentage: 100 });
  const done = group.refreshed(refresh, PATIENCE).then(() => true);
  let least = 3;
  while (!(await Promise.race([done, new Promise<false>((resolve) => setImmediate(resolve, false))]))) {
    for (const { InstanceId, LifecycleState } of await group.members())
      if (LifecycleState === 'Terminating:Wait') await group.complete(HOOK, InstanceId!).catch(ignoreCompleted);
    least = Math.min(least, (await group.inService()).length);
  }
  const after = await group.comesTo(3, PATIENCE);
  assert.equal(least, 2);
  assert.deepEqual(
    after.filter((id) => before.includes(id)),
    [],
  );
});

/** It may have been completed between the look and the call. */
function ignoreCompleted(error: Error): void {
  if (!/No active Lifecycle Action/.test(error.message)) throw error;
}

test('a warm pool has one prepared and stopped, which comes first when the group grows; one that is not needed goes back there', {
  skip,
}, async () => {
  await group.comesTo(3, PATIENCE);
  await group.keepWarm(4, { reuse: true });
  const [warm] = (await group.isWarm(1, PATIENCE)) as [string];
  assert.ok(!only(warm).running);
  assert.ok((await group.members()).every(({ InstanceId }) => InstanceId !== warm));
  await group.setDesired(4);
  assert.ok((await group.comesTo(4, PATIENCE)).includes(warm));
  assert.equal(await metadata(only(warm), 'meta-data/autoscaling/target-lifecycle-state'), 'InService');
  await group.setDesired(3);
  const back = await until(
    'one waits for its hook on its way into the pool',
    async () => (await group.warm()).find(({ LifecycleState }) => LifecycleState === 'Warmed:Pending:Wait')?.InstanceId,
    PATIENCE,
  );
  assert.equal(await metadata(only(back), 'meta-data/autoscaling/target-lifecycle-state'), 'Warmed:Stopped');
  await group.complete(HOOK, back);
  assert.deepEqual(await group.isWarm(1, PATIENCE), [back]);
  await group.comesTo(3, PATIENCE);
});

test('instances meet faults of the APIs, whoever operates them does not', { skip }, async () => {
  const [id] = (await group.comesTo(3, PATIENCE)) as [string];
  const call = async (): Promise<string> => {
    const signed = `Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/${region.name}/autoscaling/aws4_request`;
    const ask = ['-d', 'Action=DescribeAutoScalingGroups&Version=2011-01-01', '-H', signed, region.endpoint];
    return (await only(id).run(['curl', '-sS', '--max-time', '10', ...ask])).stdout;
  };
  assert.match(await call(), /AutoScalingGroups/);
  await region.breakApis({ kind: 'throttle', service: 'autoscaling' });
  assert.match(await call(), /<Code>Throttling<\/Code>/);
  assert.equal((await group.members()).length, 3);
  await region.breakApis({ kind: 'down', service: 'ec2' });
  assert.match(await call(), /AutoScalingGroups/);
  const calls = (await region.calls()).filter(({ action }) => action === 'DescribeAutoScalingGroups');
  assert.deepEqual(
    calls.map(({ from, count }) => [from, count]),
    [[only(id).address, 3]],
  );
  await region.breakApis();
});
