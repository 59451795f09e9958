import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { groupTemplate } from '../../lab/template.ts';
import { deploy, Group, Region } from '../../src/cloud/index.ts';
import { COMMAND, type Instance, quorate, SHARE, until } from '../../src/index.ts';

const skip = (await Region.unavailable()) ?? false;
/** ms for anything to come about: a bound for what never comes, not a promise */
const PATIENCE = 300_000;
const SECRET = randomBytes(32).toString('base64');
const CLUSTER = randomUUID();
/** what `npm run lab` shows at length; here where it is asked for */
const whole = process.env.QUORATE_CLOUD === 'whole' ? test : () => undefined;
const USER_DATA = `#!/bin/sh\nexec ${process.execPath} ${COMMAND} agent\n`;

/** The same on every instance of the image. */
const SETTINGS = {
  aws: {},
  ensemble: {
    cluster: CLUSTER,
    discovery: { autoScaling: {} },
    arbiter: { file: join(SHARE, 'arbiter') },
    secret: '/etc/quorate/secret',
  },
};

interface Status {
  readonly plan?: { readonly settled: boolean };
  readonly members: readonly { readonly instance: string; readonly role: string; readonly mode: string }[];
}

let region: Region;
let group: Group;
before(async () => {
  if (skip) return;
  region = await Region.open({ image });
  await mkdir(join(region.fleet.share, 'arbiter'));
  const { resources } = await deploy(region, 'web', groupTemplate({ userData: USER_DATA }));
  group = new Group(region, resources.get('Group')!.id);
});
after(async () => {
  group?.[Symbol.dispose]();
  await region?.[Symbol.asyncDispose]();
});

async function image(machine: Instance): Promise<void> {
  await machine.write('/etc/quorate/quorate.yaml', JSON.stringify(SETTINGS)); // JSON is YAML
  await machine.write('/etc/quorate/secret', SECRET);
  await machine.run(['chmod', '600', '/etc/quorate/secret']);
  await machine.run(['mkdir', '-p', '/etc/web', '/etc/next']);
}

const machines = (ids: readonly string[]): Instance[] => ids.map((id) => region.machines.get(id)!);

async function status(from: Instance): Promise<Status | undefined> {
  const { code, stdout } = await quorate(from, ['ensemble', 'status', '--json'], {
    timeout: 60_000,
    env: { NODE_OPTIONS: '', ...region.environment },
  });
  return code === 0 ? (JSON.parse(stdout) as Status) : undefined;
}

/** So many instances serve, all of them and no others are members, and so many vote. */
async function settles(count: number, voters: number): Promise<string[]> {
  const ids = await group.comesTo(count, PATIENCE);
  await until(
    `${voters} of ${ids.join(', ')} vote, and the ensemble is settled`,
    async () => {
      const seen = await status(machines(ids)[0]!);
      if (!seen?.plan?.settled) return false;
      const voting = seen.members.filter(({ role }) => role === 'voter').length;
      return voting === voters && seen.members.every(({ instance }) => ids.includes(instance));
    },
    PATIENCE,
  );
  return ids;
}

async function publish(from: Instance, text: string): Promise<void> {
  await from.write('/etc/next/web.conf', `${text}\n`);
  const args = ['publish', 'web', '/etc/next', '-m', text, '--yes'];
  const ran = await quorate(from, args, { timeout: 60_000, env: { NODE_OPTIONS: '', ...region.environment } });
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
}

async function reads(ids: readonly string[], text: string): Promise<void> {
  for (const machine of machines(ids))
    await until(
      `${machine.id} has ${text}`,
      async () => (await machine.read('/etc/web/web.conf').catch(() => '')) === `${text}\n`,
      PATIENCE,
    );
}

test('an image and a group are enough: three instances found one ensemble under their EC2 ids, and go into service', {
  skip,
}, async () => {
  const ids = await settles(3, 3);
  const [first] = machines(ids) as [Instance];
  await first.write('/etc/web/web.conf', 'one\n');
  const args = ['import', 'web', '/etc/web', '-m', 'one', '--yes'];
  const ran = await quorate(first, args, { timeout: 60_000, env: { NODE_OPTIONS: '', ...region.environment } });
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  await reads(ids, 'one');
  await region.forgetCalls();
  const asking = await until(
    'the one who leads has asked again and again',
    async () => {
      const calls = (await region.calls()).filter(({ action }) => action === 'DescribeInstances');
      return calls.some(({ count }) => count >= 2) && calls;
    },
    PATIENCE,
  );
  assert.equal(asking.length, 1, 'nobody else asks');
});

whole(
  'two of three are terminated at once: each leaves in order, others come, and nothing is lost',
  {
    skip,
  },
  async () => {
    const before = await settles(3, 3);
    const [one, two, stays] = before as [string, string, string];
    await publish(machines([stays])[0]!, 'two');
    await Promise.all([group.terminate(one), group.terminate(two)]);
    const now = await settles(3, 3);
    assert.ok(now.includes(stays) && !now.includes(one) && !now.includes(two));
    await reads(now, 'two');
  },
);

whole(
  'all three are terminated at once: their voters wait for those that the group makes instead',
  { skip },
  async () => {
    const before = await settles(3, 3);
    await publish(machines(before)[0]!, 'all');
    await Promise.all(before.map((id) => group.terminate(id)));
    const now = await settles(3, 3);
    assert.deepEqual(
      now.filter((id) => before.includes(id)),
      [],
    );
    await reads(now, 'all');
  },
);

whole(
  'a refresh of all, at least two in service: a voter comes before a voter goes, and publishing goes on',
  {
    skip,
  },
  async () => {
    const before = await settles(3, 3);
    const refresh = await group.refresh({ MinHealthyPercentage: 66 });
    await group.refreshed(refresh, PATIENCE * 2);
    const now = await settles(3, 3);
    assert.deepEqual(
      now.filter((id) => before.includes(id)),
      [],
    );
    await publish(machines(now)[0]!, 'four');
    await reads(now, 'four');
  },
);

test('while EC2 is throttled a dead instance counts as nothing but silent; then it is replaced', { skip }, async () => {
  const before = await settles(3, 3);
  await region.breakApis({ kind: 'throttle', service: 'ec2' });
  const dead = before[2]!;
  await region.terminate(dead);
  const [first] = machines(before) as [Instance];
  await publish(first, 'five');
  await until(
    'it is said that nothing can be told',
    async () => {
      const logs = await Promise.all(
        machines(before.slice(0, 2)).map((machine) => machine.log('cloud-init-output.log')),
      );
      return logs.some((log) => /ec2:DescribeInstances is throttled/.test(log));
    },
    PATIENCE,
  );
  const seen = await until('the ensemble is asked', () => status(first).then((found) => found ?? false), PATIENCE);
  assert.ok(
    seen.members.some(({ instance }) => instance === dead),
    'it keeps its place',
  );
  await region.breakApis();
  const now = await settles(3, 3);
  assert.ok(!now.includes(dead));
  await reads(now, 'five');
});
