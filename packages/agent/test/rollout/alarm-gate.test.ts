import assert from 'node:assert/strict';
import test from 'node:test';
import { definitionOf, type GateAnswer, type Verdict } from '@quorate/model';
import type { Store } from '@quorate/store';
import { BundleWorker } from '../../src/bundle-worker.ts';
import { AlarmGate, cloudWatch, unableToLead } from '../../src/rollout/alarm-gate.ts';
import { CloudServer } from '../aws/cloud-server.ts';
import { makeRelease } from '../disk/fixture.ts';

const HOUR = 3_600_000;
const NAMES = ['web 5xx', 'web-all'];
const AWS = { aws: { region: 'eu-central-1', lifeCycle: false } } as const;

/** Asked anew each time. */
const ask = (names = NAMES, seconds = 30): Promise<GateAnswer> => new AlarmGate(cloudWatch(AWS), 0).ask(names, seconds);

test('alarms, metric and composite ones, are a gate', async (t) => {
  await using server = await CloudServer.open();
  server.pointAt();
  const metric = { kind: 'MetricAlarm', state: 'OK' } as const;
  const set = (one: string, all: string): void => {
    server.alarms.set('web 5xx', { ...metric, state: one });
    server.alarms.set('web-all', { kind: 'CompositeAlarm', state: all });
  };
  const cases = [
    ['OK', 'OK', 'open', /^$/],
    ['OK', 'ALARM', 'shut', /^alarm web-all is ALARM: by the test$/],
    ['INSUFFICIENT_DATA', 'OK', 'unknown', /^alarm web 5xx is INSUFFICIENT_DATA: by the test$/],
  ] as const;
  for (const [one, all, state, detail] of cases)
    await t.test(`${one}, ${all}: ${state}`, async () => {
      set(one, all);
      const answer = await ask();
      assert.equal(answer.state, state);
      assert.match(answer.detail, detail);
    });
  await t.test('one that is not there is named', async () => {
    set('OK', 'OK');
    const answer = await ask(['web 5xx', 'wbe']);
    assert.equal(answer.state, 'shut');
    assert.match(answer.detail, /^eu-central-1 has no alarm wbe: /);
  });
  await t.test('a clock that is off does no harm', async () => {
    server.ahead = HOUR;
    assert.equal((await ask()).state, 'open');
    server.ahead = 0;
  });
  await t.test('an answer counts for a while: CloudWatch is not asked at each look', async () => {
    const gate = new AlarmGate(cloudWatch(AWS), HOUR);
    await gate.ask(NAMES, 30);
    const asked = server.count('DescribeAlarms');
    assert.equal((await gate.ask(NAMES, 30)).state, 'open');
    assert.equal(server.count('DescribeAlarms'), asked);
    await gate.ask(['web 5xx'], 30);
    assert.equal(server.count('DescribeAlarms'), asked + 1, 'other alarms are another question');
  });
});

test('what cannot be asked has said nothing: neither yes nor no', async (t) => {
  await using server = await CloudServer.open();
  server.pointAt();
  const cases = [
    ['ThrottlingException', 400, /^cloudwatch:DescribeAlarms is throttled/],
    ['AccessDeniedException', 400, /^cloudwatch:DescribeAlarms is refused .*docs\/aws\.md, Permissions/],
    ['InternalFailure', 500, /^cloudwatch:DescribeAlarms is not answered/],
  ] as const;
  for (const [code, status, detail] of cases)
    await t.test(code, async () => {
      server.refused.set('DescribeAlarms', { code, status });
      const answer = await ask();
      assert.equal(answer.state, 'unknown');
      assert.match(answer.detail, detail);
    });
  await t.test('no region', async () => {
    delete process.env.AWS_REGION;
    const { state, detail } = await new AlarmGate(cloudWatch({})).ask(NAMES, 30);
    server.pointAt();
    assert.equal(state, 'unknown');
    assert.match(detail, /^no region is known to look for alarms in: set AWS_REGION, or aws\.region in the settings/);
  });
  await t.test('no answer', async () => {
    server.hangs = true;
    const answer = await ask(NAMES, 0.2);
    assert.equal(answer.state, 'unknown');
    assert.match(answer.detail, /is not answered/);
  });
});

test('a machine that could not ask for alarms says no to a release whose gate they are: it may come to lead', async () => {
  const gated = definitionOf({ root: '/etc/app', rollout: { gate: { alarm: 'web 5xx' } } });
  assert.equal(unableToLead(gated, AWS), undefined);
  assert.equal(unableToLead(definitionOf({ root: '/etc/app' }), {}), undefined);
  const { release } = makeRelease(gated, { n: '1' });
  let said: Verdict | 'pass' | undefined;
  const candidates = {
    standing: async () => ({ release }),
    vote: async (_: unknown, __: string, verdict: Verdict | 'pass') => {
      said = verdict;
    },
  };
  const place = (): never => assert.fail('nothing is staged');
  const worker = new BundleWorker('web', place, {
    self: { id: 'web-1' },
    unableToLead: (definition) => unableToLead(definition, {}),
  });
  worker.hear(true);
  await worker.vote({ candidates } as unknown as Store, 'web-1', AbortSignal.timeout(60_000));
  assert.ok(typeof said === 'object' && !said.ok);
  assert.equal(said.by, 'policy');
  assert.match(said.reason, /rollout\.gate\.alarm asks CloudWatch, and the settings of this machine/);
});
