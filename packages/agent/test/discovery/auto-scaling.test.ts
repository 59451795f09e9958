import assert from 'node:assert/strict';
import test from 'node:test';
import { DEFAULT_CLUSTER, DEFAULT_PORTS } from '@quorate/model';
import { AwsCloud } from '../../src/aws/index.ts';
import { belong } from '../../src/belong.ts';
import { AutoScalingDiscovery, seenNow } from '../../src/discovery/auto-scaling.ts';
import { CloudServer } from '../aws/cloud-server.ts';

const id = (number: number): string => `i-${String(number).padStart(17, '0')}`;

/** A discovery of machine 1, with a clock of its own. */
class Ground implements AsyncDisposable {
  readonly cloud: CloudServer;
  time = 0;

  private constructor(cloud: CloudServer) {
    this.cloud = cloud;
    cloud.pointAt();
  }

  static async open(): Promise<Ground> {
    const ground = new Ground(await CloudServer.open());
    for (const number of [1, 2, 3]) ground.cloud.launch({ id: id(number), state: 'running', group: 'web' });
    return ground;
  }

  discovery(groups?: readonly string[], own: string | undefined = id(1)): AutoScalingDiscovery {
    const cloud = new AwsCloud('eu-central-1');
    return new AutoScalingDiscovery({ groups, own, cloud: async () => cloud, now: () => this.time });
  }

  /** Long enough for the next look to ask anew. */
  later(ms = 30_000): void {
    this.time += ms;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cloud[Symbol.asyncDispose]();
  }
}

const states = (peers: readonly { instance?: string; state?: string }[]) =>
  Object.fromEntries(peers.map(({ instance, state }) => [Number(instance!.slice(2)), state]));

test('an instance finds the others of its own group, or those of the groups that are named, page by page', async () => {
  await using ground = await Ground.open();
  const { cloud } = ground;
  cloud.launch({ id: id(4), state: 'pending', group: 'mail', lifeCycle: 'Pending:Wait', zone: 'eu-central-1c' });
  cloud.launch({ id: id(5), state: 'running' });
  assert.deepEqual(states(await ground.discovery().peers()), { 1: 'live', 2: 'live', 3: 'live' });
  cloud.pageSize = 1;
  const both = ground.discovery(['web', 'mail']);
  const peers = await both.peers();
  assert.deepEqual(states(peers), { 1: 'live', 2: 'live', 3: 'live', 4: 'live' });
  assert.deepEqual(peers[3], { instance: id(4), address: '10.0.0.4', zone: 'eu-central-1c', state: 'live' });
  assert.deepEqual(both.last?.groups, [
    { name: 'web', desired: 3 },
    { name: 'mail', desired: 3 },
  ]);
  assert.equal(both.last?.instances[3]?.lifeCycle, 'Pending:Wait');
});

test('terminated is what EC2 says is terminated, and nothing that may still run or run again', async () => {
  await using ground = await Ground.open();
  const { cloud } = ground;
  const discovery = ground.discovery();
  const third = cloud.instances.get(id(3))!;
  await discovery.peers();
  delete third.group; // Auto Scaling lists it no more as soon as it is terminating
  for (const [state, told] of [
    ['shutting-down', undefined],
    ['stopping', undefined],
    ['stopped', undefined],
    ['terminated', 'terminated'],
  ] as const) {
    third.state = state;
    ground.later();
    assert.equal(states(await discovery.peers())[3], told, state);
  }
});

test('who is terminated stays so for those who ask for it, also when EC2 has forgotten it', async () => {
  await using ground = await Ground.open();
  const { cloud } = ground;
  const discovery = ground.discovery();
  const third = cloud.instances.get(id(3))!;
  await discovery.peers(undefined, [id(3)]);
  delete third.group;
  third.state = 'terminated';
  ground.later();
  assert.equal(states(await discovery.peers(undefined, [id(3)]))[3], 'terminated');
  third.state = undefined;
  ground.later();
  assert.equal(states(await discovery.peers(undefined, [id(3)]))[3], 'terminated');
});

test('whom EC2 does not know for a minute, at two looks, is terminated, if it knows this machine', async () => {
  await using ground = await Ground.open();
  const { cloud } = ground;
  const discovery = ground.discovery();
  // of an ensemble that was lost hours ago: only the arbiter names it
  const gone = id(77);
  assert.ok(!(77 in states(await discovery.peers(undefined, [gone]))), 'one look is none');
  ground.later(61_000);
  assert.equal(states(await discovery.peers(undefined, [gone]))[77], 'terminated');
  const other = ground.discovery();
  await other.peers(undefined, [gone]);
  cloud.instances.get(id(1))!.state = undefined;
  ground.later(61_000);
  await assert.rejects(other.peers(undefined, [gone]), {
    code: 'DISCOVERY_UNKNOWN',
    message: /EC2 does not know this very instance.*check aws\.region/,
  });
  const elsewhere = ground.discovery(['web'], 'desk');
  await elsewhere.peers(undefined, [gone]);
  ground.later(61_000);
  assert.ok(!(77 in states(await elsewhere.peers(undefined, [gone]))), 'a machine that EC2 does not know cannot tell');
});

test('names that EC2 does not give, and an instance it has not heard of yet, are never terminated', () => {
  const look = { groups: [], described: [] };
  const asked = { about: [], isWhole: true };
  const first = seenNow(new Map([[id(1), { instance: id(1), address: '10.0.0.1' }]]), look, { ...asked, now: 0 });
  assert.deepEqual(first.get(id(1)), { instance: id(1), address: '10.0.0.1', missingSince: 0 });
  const listed = { name: 'web', desired: 1, instances: [{ instance: id(1), zone: 'a', lifeCycle: 'Pending' }] };
  const again = seenNow(first, { groups: [listed], described: [] }, { ...asked, now: 120_000 });
  assert.equal(again.get(id(1))?.state, undefined, 'Auto Scaling lists it');
});

test('what was seen is not asked for again at once, unless somebody is asked for who was not', async () => {
  await using ground = await Ground.open();
  const { cloud } = ground;
  const discovery = ground.discovery();
  await Promise.all([discovery.peers(), discovery.peers(), discovery.peers(undefined, [id(2)])]);
  const before = cloud.count('DescribeInstances');
  assert.ok(before <= 2, 'looks at the same moment are one');
  await discovery.peers(undefined, [id(2), 'web-1']);
  assert.equal(cloud.count('DescribeInstances'), before);
  await discovery.peers(undefined, [id(9)]);
  assert.equal(cloud.count('DescribeInstances'), before + 1);
  ground.later();
  await discovery.peers();
  assert.equal(cloud.count('DescribeInstances'), before + 2);
  assert.equal(cloud.count('DescribeAutoScalingInstances'), 1, 'its own group is looked up once');
});

test('what the leader saw is known without asking: where machines are, and who is terminated', async () => {
  await using ground = await Ground.open();
  const [leader, follower] = [ground.discovery(), ground.discovery()];
  ground.cloud.instances.get(id(3))!.state = 'terminated';
  await leader.peers();
  follower.learn(leader.last!);
  assert.deepEqual(follower.last, leader.last);
  assert.equal(follower.last?.instances.find(({ instance }) => instance === id(2))?.address, '10.0.0.2');
});

test('throttled, refused, or out of reach is unknown, and it is asked again later and later', async () => {
  await using ground = await Ground.open();
  const { cloud } = ground;
  const discovery = ground.discovery();
  await discovery.peers();
  for (const [code, status, message] of [
    ['RequestLimitExceeded', 503, /ec2:DescribeInstances is throttled \(RequestLimitExceeded\)/],
    ['UnauthorizedOperation', 403, /ec2:DescribeInstances is refused .*role must allow it.*Permissions/],
    ['InternalError', 500, /ec2:DescribeInstances is not answered/],
  ] as const) {
    cloud.refused.set('DescribeInstances', { code, status });
    ground.later(300_000);
    await assert.rejects(discovery.peers(), { code: 'DISCOVERY_UNKNOWN', message });
    const asked = cloud.count('DescribeInstances');
    await assert.rejects(discovery.peers(), { code: 'DISCOVERY_UNKNOWN', message });
    assert.equal(cloud.count('DescribeInstances'), asked, 'not at once');
  }
  cloud.refused.clear();
  cloud.refused.set('*', { code: 'Throttling', status: 400 });
  ground.later(300_000);
  const throttled = /autoscaling:DescribeAutoScalingGroups is throttled/;
  await assert.rejects(discovery.peers(), { code: 'DISCOVERY_UNKNOWN', message: throttled });
  cloud.refused.clear();
  ground.later(300_000);
  assert.deepEqual(states(await discovery.peers()), { 1: 'live', 2: 'live', 3: 'live' });
  await cloud[Symbol.asyncDispose]();
  ground.later(300_000);
  await assert.rejects(discovery.peers(), {
    code: 'DISCOVERY_UNKNOWN',
    message: /not answered.*ECONNREFUSED.*VPC endpoint/,
  });
});

test('a group that is not there, and an instance in none, are told apart', async () => {
  await using ground = await Ground.open();
  ground.cloud.launch({ id: id(8), state: 'running' });
  await assert.rejects(ground.discovery(['wbe']).peers(), { message: /no auto-scaling group wbe: check the names/ });
  await assert.rejects(ground.discovery(undefined, id(8)).peers(), {
    message: /belongs to no auto-scaling group: name/,
  });
  await assert.rejects(ground.discovery(undefined, 'desk').peers(), { message: /no EC2 instance: name the groups/ });
  assert.equal((await ground.discovery(['web', 'deleted']).peers()).length, 3);
});

test('a clock that is an hour off costs one request, not the discovery', async () => {
  await using ground = await Ground.open();
  ground.cloud.ahead = 3_600_000;
  const discovery = ground.discovery();
  assert.equal((await discovery.peers()).length, 3);
  ground.cloud.ahead = -3_600_000;
  ground.later();
  assert.equal((await discovery.peers()).length, 3);
});

test('an instance that goes by another name than its EC2 id is refused at the start', async () => {
  const ensemble = { cluster: 'c', discovery: { autoScaling: {} }, founding: DEFAULT_CLUSTER, ports: DEFAULT_PORTS };
  const settings = {
    store: 'zk://nobody',
    root: '/',
    state: '/nowhere',
    instance: 'web-1',
    address: '10.0.0.1',
    ensemble,
  };
  const never = { connected: new Promise<never>(() => undefined), trusted: () => undefined, report: () => undefined };
  await assert.rejects(belong({ settings, ...never, log: () => undefined }, AbortSignal.abort()), {
    code: 'BAD_SETTINGS',
    message: /called by its EC2 id, and this one is called web-1: take/,
  });
});

test('a look is given up with its signal', async () => {
  await using ground = await Ground.open();
  const stop = new AbortController();
  const looking = ground.discovery().peers(stop.signal);
  stop.abort(new Error('given up'));
  await assert.rejects(looking, /given up/);
});
