import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CloudWatchClient,
  PutMetricAlarmCommand,
  SetAlarmStateCommand,
  type StateValue,
} from '@aws-sdk/client-cloudwatch';
import { cloudWatch, RolloutLead } from '@quorate/agent';
import { Fleet } from '../../../packages/agent/test/rollout/fleet.ts';
import { Emulator, findMoto } from '../../src/cloud/index.ts';

const skip = (await findMoto()) ? false : 'moto is missing: scripts/moto.ts installs it';
const bound = { skip, timeout: 300_000 };
const REGION = 'eu-central-1';
const credentials = { accessKeyId: 'emulated', secretAccessKey: 'emulated' };
/** The only thing that ends a step here is the gate. */
const gatedBy = (...alarm: string[]): object => ({ rollout: { canary: ['w-1'], bake: 3600, gate: { alarm } } });

let emulator: Emulator;
let operator: CloudWatchClient;

async function set(AlarmName: string, StateValue: StateValue, StateReason: string): Promise<void> {
  await operator.send(new SetAlarmStateCommand({ AlarmName, StateValue, StateReason }));
}

before(async () => {
  if (skip) return;
  emulator = await Emulator.start(REGION);
  const env = {
    AWS_ENDPOINT_URL: emulator.endpoint,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_EC2_METADATA_DISABLED: 'true',
  };
  Object.assign(process.env, env);
  operator = new CloudWatchClient({ region: REGION, endpoint: emulator.endpoint, credentials });
  for (const AlarmName of ['web 5xx', 'web latency'])
    await operator.send(
      new PutMetricAlarmCommand({
        AlarmName,
        Namespace: 'AWS/ApplicationELB',
        MetricName: 'HTTPCode_Target_5XX_Count',
        Statistic: 'Sum',
        Period: 60,
        EvaluationPeriods: 1,
        Threshold: 1,
        ComparisonOperator: 'GreaterThanThreshold',
      }),
    );
});
after(async () => {
  operator?.destroy();
  await emulator?.[Symbol.asyncDispose]();
});

const leadOf = async (fleet: Fleet): Promise<RolloutLead> =>
  new RolloutLead('web', {
    store: await fleet.store(),
    by: 'leader',
    log: (line) => fleet.log.push(line),
    alarms: cloudWatch({ aws: { region: REGION, lifeCycle: false } }),
  });

test('an alarm in the middle of a bake takes the release back, and the story names it', bound, async () => {
  const definition = gatedBy('web 5xx', 'web latency');
  await using fleet = await Fleet.start(['w-1', 'w-2'], definition);
  await fleet.publish({ file: 'two' }, definition);
  await fleet.until('w-1', { applied: 2, state: 'applied' });
  const lead = await leadOf(fleet);
  const look = await lead.look(AbortSignal.timeout(60_000));
  assert.match(look!.plan.reason, /healthy for 0 of 3600 s on 1/);
  await set('web latency', 'INSUFFICIENT_DATA', 'nobody came');
  await set('web 5xx', 'ALARM', 'Threshold Crossed: 1 datapoint [12.0] was greater than the threshold (1.0).');
  const { story } = await fleet.leadUntil(lead, ({ state }) => state === 'back');
  assert.match(
    story.at(-1)!.why,
    /^the gate is shut: alarm web 5xx is ALARM: Threshold Crossed: 1 datapoint \[12\.0\]/,
  );
  await fleet.until('w-1', { applied: 1, target: 1, state: 'applied' });
  assert.deepEqual(fleet.texts(), ['one', 'one']);
});

test('what has no data holds the rollout, and lets it go on when it is OK', bound, async () => {
  const definition = { rollout: { canary: ['w-1'], bake: 0, gate: { alarm: 'web latency' } } };
  await using fleet = await Fleet.start(['w-1', 'w-2'], definition);
  await set('web latency', 'INSUFFICIENT_DATA', 'nobody came');
  await fleet.publish({ file: 'two' }, definition);
  await fleet.until('w-1', { applied: 2, state: 'applied' });
  const look = await (await leadOf(fleet)).look(AbortSignal.timeout(60_000));
  assert.equal(
    look!.plan.reason,
    'the gate says neither yes nor no: alarm web latency is INSUFFICIENT_DATA: nobody came',
  );
  await set('web latency', 'OK', 'all is well');
  await fleet.leadUntil(await leadOf(fleet), ({ state }) => state === 'done');
  await fleet.until('w-2', { applied: 2, state: 'applied' });
});

test('an alarm that is not there takes the release back at once, and says where it was looked for', bound, async () => {
  const definition = gatedBy('web 5xy');
  await using fleet = await Fleet.start(['w-1'], definition);
  await fleet.publish({ file: 'two' }, definition);
  const { story } = await fleet.leadUntil(await leadOf(fleet), ({ state }) => state === 'back');
  assert.match(story.at(-1)!.why, /^the gate is shut: eu-central-1 has no alarm web 5xy: see rollout\.gate\.alarm/);
});
