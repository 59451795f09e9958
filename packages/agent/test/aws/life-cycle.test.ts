import assert from 'node:assert/strict';
import test from 'node:test';
import type { Ensemble, Store } from '@quorate/store';
import { InstanceMetadata } from '../../src/aws/imds.ts';
import { AwsCloud } from '../../src/aws/index.ts';
import { LifeCycle, type OwnState } from '../../src/aws/life-cycle.ts';
import type { LifeCycleSettings } from '../../src/settings/index.ts';
import { until } from '../machine.ts';
import { CloudServer } from './cloud-server.ts';
import { INSTANCE, MetadataServer } from './metadata-server.ts';

const ID = INSTANCE['instance-id'];
const HOOKS = { launching: 'quorate-launching', terminating: 'quorate-terminating' };
const TARGET = 'autoscaling/target-lifecycle-state';

/** An instance of the group web, whose agent says of itself what the test says. */
class Ground implements AsyncDisposable {
  readonly cloud: CloudServer;
  readonly metadata: MetadataServer;
  readonly lines: string[] = [];
  hasHeard = true;
  own: OwnState = { configuration: 'unknown', place: 'none', isVoter: false, store: undefined };
  #stop = new AbortController();
  #running: Promise<void> | undefined;

  private constructor(cloud: CloudServer, metadata: MetadataServer) {
    this.cloud = cloud;
    this.metadata = metadata;
    cloud.pointAt();
  }

  static async open(lifeCycle: string, target?: string): Promise<Ground> {
    const told: Record<string, string> = target === undefined ? {} : { [TARGET]: target };
    const ground = new Ground(await CloudServer.open(), await MetadataServer.open({ ...INSTANCE, ...told }));
    ground.cloud.launch({ id: ID, state: 'running', group: 'web', lifeCycle });
    return ground;
  }

  /** As when the agent starts. */
  run(settings: Partial<LifeCycleSettings> = {}, { isOwnEnsemble = false } = {}): LifeCycle {
    const cloud = new AwsCloud('eu-central-1');
    const lifeCycle = new LifeCycle({
      instance: ID,
      settings: { ...HOOKS, onFailure: 'wait', protect: 'nobody', ...settings },
      metadata: new InstanceMetadata({ endpoint: this.metadata.endpoint, againMs: [1, 1] }),
      cloud: async () => cloud,
      own: async () => this.own,
      isOwnEnsemble,
      hasHeard: async () => this.hasHeard,
      log: (line) => this.lines.push(line),
      lookMs: 5,
    });
    this.#running = lifeCycle.run(this.#stop.signal);
    return lifeCycle;
  }

  /** What Auto Scaling says of the instance, and whether it waits for a hook. */
  stands(lifeCycle: string, hook?: string): void {
    this.cloud.instances.get(ID)!.lifeCycle = lifeCycle;
    if (hook) this.cloud.waiting.add(`${ID} ${hook}`);
  }

  async told(what: string): Promise<void> {
    await until(what, async () => this.cloud.told.includes(what));
  }

  /** So many looks later: what was to be done is done. */
  async looks(count = 5): Promise<void> {
    const seen = (): number => this.metadata.asked.filter((line) => line.includes('rebalance')).length;
    const from = seen();
    await until('it looks', async () => seen() >= from + count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.metadata[Symbol.asyncDispose]();
    await this.cloud[Symbol.asyncDispose]();
  }
}

/** An ensemble with these other machines. */
function storeWith(others: readonly string[], leaving: readonly string[] = []): Store {
  const ensemble = {
    machines: async () => [ID, ...others].map((instance) => ({ instance })),
    leaving: async () => leaving,
    cluster: async () => undefined,
  } as unknown as Ensemble;
  return { ensemble } as Store;
}

test('an instance that is launched waits for its configuration, and goes into service with it', async () => {
  await using ground = await Ground.open('Pending:Wait', 'InService');
  ground.stands('Pending:Wait', HOOKS.launching);
  const lifeCycle = ground.run();
  await ground.told(`quorate-launching ${ID} heartbeat`);
  ground.own = { ...ground.own, configuration: 'applying' };
  await ground.looks();
  ground.own = { ...ground.own, configuration: 'applied' };
  await ground.told(`quorate-launching ${ID} CONTINUE`);
  assert.equal(lifeCycle.report.role, 'full');
  ground.stands('InService');
  await ground.looks();
  assert.deepEqual(ground.cloud.told, [`quorate-launching ${ID} heartbeat`, `quorate-launching ${ID} CONTINUE`]);
});

test('that nothing is published is believed when the ensemble is founded, its archive was read, and the agent has heard of all', async () => {
  await using ground = await Ground.open('Pending:Wait', 'InService');
  ground.stands('Pending:Wait', HOOKS.launching);
  let cluster: object | undefined;
  const ensemble = { cluster: async () => cluster, archive: async () => undefined } as unknown as Ensemble;
  const store = { ensemble, bundles: async () => [] as string[] } as unknown as Store;
  ground.own = { configuration: 'none', place: 'none', isVoter: false, store };
  ground.hasHeard = false;
  const lifeCycle = ground.run({}, { isOwnEnsemble: true });
  const waits = async (): Promise<void> => {
    await ground.looks();
    assert.match(lifeCycle.report.detail, /not heard yet/);
  };
  await ground.told(`quorate-launching ${ID} heartbeat`);
  await waits();
  const settings = { archive: { to: 's3://web/archive', durability: 'quorum' } };
  cluster = { generation: 2, settings, archiveRead: 1 };
  await waits();
  cluster = { generation: 2, settings, archiveRead: 2 };
  await waits();
  ground.hasHeard = true;
  await ground.told(`quorate-launching ${ID} CONTINUE`);
});

test('a hook that waits for nothing is asked again while the instance is on its way there, and never once it is past it', async () => {
  await using ground = await Ground.open('InService', 'InService');
  ground.own = { ...ground.own, configuration: 'applied' };
  ground.run();
  await until('it has asked', async () => ground.cloud.count('DescribeAutoScalingInstances') >= 2);
  await ground.looks();
  assert.equal(ground.cloud.count('CompleteLifecycleAction'), 1, 'an agent that starts anew on an instance in service');
});

test('a configuration that fails keeps an instance out of service, with the reason', async () => {
  await using ground = await Ground.open('Pending:Wait', 'InService');
  ground.stands('Pending:Wait', HOOKS.launching);
  ground.own = { ...ground.own, configuration: 'failed', failure: 'web: nginx says no' };
  const lifeCycle = ground.run();
  await ground.told(`quorate-launching ${ID} heartbeat`);
  await ground.looks();
  assert.equal(ground.cloud.told.length, 1, 'one heartbeat for a while');
  assert.match(lifeCycle.report.detail, /not in place: web: nginx says no/);
});

test('an instance that is terminated has no place in the ensemble, and its hook is completed when it has left', async () => {
  await using ground = await Ground.open('InService', 'InService');
  ground.own = { configuration: 'applied', place: 'member', isVoter: true, store: storeWith(['i-2', 'i-3']) };
  const lifeCycle = ground.run();
  await ground.looks();
  assert.equal(lifeCycle.isWithdrawn, false);
  ground.metadata.data.set(TARGET, 'Terminated');
  ground.stands('Terminating:Wait', HOOKS.terminating);
  await until('it is withdrawn', async () => lifeCycle.isWithdrawn);
  await ground.told(`quorate-terminating ${ID} heartbeat`);
  await ground.looks();
  assert.ok(!ground.cloud.told.some((line) => line.endsWith('CONTINUE')));
  ground.own = { ...ground.own, place: 'left', isVoter: false };
  await ground.told(`quorate-terminating ${ID} CONTINUE`);
});

test('the last machine of a group that is to have none ends only when it is known that there is no archive, or that it has all', async () => {
  await using ground = await Ground.open('Terminating:Wait', 'Terminated');
  ground.stands('Terminating:Wait', HOOKS.terminating);
  ground.cloud.groups.set('web', 0);
  let behind = true;
  const archive = { to: 's3://bucket/archive', durability: 'quorum' } as const;
  const release = { head: { release: 3 } };
  const ensemble = {
    machines: async () => [{ instance: ID }, { instance: 'i-2' }],
    leaving: async () => ['i-2'],
    cluster: async () => ({ format: 1, cluster: 'c', generation: 1, archiveRead: 1, settings: { archive } }),
    archive: async () => ({
      to: archive.to,
      generation: 1,
      bundles: [{ bundle: 'web', release: behind ? 2 : 3, id: 'r' }],
    }),
  } as unknown as Ensemble;
  const store = { ensemble, bundles: async () => ['web'], latest: async () => release } as unknown as Store;
  ground.own = { configuration: 'applied', place: 'member', isVoter: true, store };
  const lifeCycle = ground.run();
  await ground.told(`quorate-terminating ${ID} heartbeat`);
  await ground.looks();
  assert.match(lifeCycle.report.detail, /the archive has not all yet/);
  behind = false;
  await ground.told(`quorate-terminating ${ID} CONTINUE`);
});

test('a spot instance that is taken back withdraws at once; a recommendation is told and changes nothing', async () => {
  await using ground = await Ground.open('InService', 'InService');
  ground.own = { configuration: 'applied', place: 'member', isVoter: true, store: storeWith(['i-2']) };
  const lifeCycle = ground.run();
  ground.metadata.data.set('events/recommendations/rebalance', '{"noticeTime": "2026-11-25T16:00:00Z"}');
  await until('it is told', async () => /rebalance/.test(lifeCycle.report.detail));
  assert.deepEqual([lifeCycle.isWithdrawn, lifeCycle.isTakenBack], [false, false]);
  ground.metadata.data.set('spot/instance-action', '{"action": "terminate", "time": "2026-11-25T16:02:00Z"}');
  await until(
    'it is withdrawn, and says that it ends soon',
    async () => lifeCycle.isWithdrawn && lifeCycle.isTakenBack,
  );
});

test('voters are protected from scale-in where it is set so, and those that vote no more are not', async () => {
  await using ground = await Ground.open('InService', 'InService');
  ground.own = { configuration: 'applied', place: 'member', isVoter: true, store: undefined };
  ground.run({ protect: 'voters' });
  await ground.told(`protect ${ID} true`);
  ground.own = { ...ground.own, isVoter: false };
  await ground.told(`protect ${ID} false`);
});

test('what AWS refuses is told once, and does not end the agent; without metadata what was known last counts', async () => {
  await using ground = await Ground.open('Pending:Wait', 'InService');
  ground.stands('Pending:Wait', HOOKS.launching);
  ground.own = { ...ground.own, configuration: 'applied' };
  ground.cloud.refused.set('CompleteLifecycleAction', { code: 'AccessDenied', status: 403 });
  const lifeCycle = ground.run();
  const refusal = (line: string): boolean => /autoscaling:CompleteLifecycleAction is refused/.test(line);
  await until('it is told', async () => ground.lines.some(refusal));
  ground.metadata.trouble = 503;
  await until('that too', async () => ground.lines.some((line) => /metadata service.*503/.test(line)));
  assert.equal(lifeCycle.report.target, 'InService');
  assert.equal(ground.lines.filter(refusal).length, 1);
});

test('an instance in no group asks nothing of Auto Scaling', async () => {
  await using ground = await Ground.open('InService');
  ground.own = { configuration: 'applied', place: 'member', isVoter: true, store: undefined };
  const lifeCycle = ground.run({ protect: 'voters' });
  await ground.looks();
  assert.deepEqual([lifeCycle.report.role, ground.cloud.asked], ['full', []]);
});
