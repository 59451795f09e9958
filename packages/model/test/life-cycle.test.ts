import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type LifeCycleView, planLifeCycle } from '../src/index.ts';

const SERVING: LifeCycleView = {
  target: 'InService',
  interrupted: false,
  pending: ['launching'],
  configuration: 'applied',
  failedFor: 0,
  onFailure: 'wait',
  place: 'member',
  others: 2,
  isWanted: true,
  archived: undefined,
  endingFor: 0,
};
const ENDING: LifeCycleView = { ...SERVING, target: 'Terminated', pending: ['terminating'] };
const acts = (view: LifeCycleView): string[] => planLifeCycle(view).hooks.map(({ hook, act }) => `${hook} ${act}`);

test('an instance goes into service when its first configuration is applied, or when there is none', () => {
  const cases = {
    unknown: 'heartbeat',
    applying: 'heartbeat',
    failed: 'heartbeat',
    applied: 'continue',
    none: 'continue',
  } as const;
  for (const [configuration, act] of Object.entries(cases))
    assert.deepEqual(acts({ ...SERVING, configuration: configuration as 'none' }), [`launching ${act}`], configuration);
});

test('one whose configuration fails waits for a better release; where it is set so it is abandoned after two minutes', () => {
  const failed = { ...SERVING, configuration: 'failed', failure: 'web: nginx says no' } as const;
  assert.match(planLifeCycle(failed).reason, /not in place: web: nginx says no/);
  assert.deepEqual(acts({ ...failed, failedFor: 9999 }), ['launching heartbeat']);
  assert.deepEqual(acts({ ...failed, onFailure: 'abandon', failedFor: 119 }), ['launching heartbeat']);
  assert.deepEqual(acts({ ...failed, onFailure: 'abandon', failedFor: 120 }), ['launching abandon']);
});

test('an instance that ends leaves first, and asks for time while it does', () => {
  assert.equal(planLifeCycle(ENDING).role, 'leaving');
  assert.deepEqual(acts(ENDING), ['terminating heartbeat']);
  assert.deepEqual(acts({ ...ENDING, place: 'left' }), ['terminating continue']);
  assert.deepEqual(acts({ ...ENDING, place: 'none' }), ['terminating continue']);
  assert.deepEqual(acts({ ...ENDING, others: undefined }), ['terminating heartbeat']);
  assert.deepEqual(acts({ ...ENDING, endingFor: 3600 }), ['terminating continue'], 'not for ever');
});

test('the last machine waits for another if one is to come, and else for the archive', () => {
  const last = { ...ENDING, others: 0 };
  assert.deepEqual(acts({ ...last, archived: true }), ['terminating heartbeat']);
  assert.deepEqual(acts({ ...last, archived: true, isWanted: false }), ['terminating continue']);
  assert.deepEqual(acts({ ...last, archived: false, isWanted: false, endingFor: 3599 }), ['terminating heartbeat']);
  const lost = planLifeCycle({ ...last, isWanted: false, endingFor: 600 });
  assert.match(lost.reason, /no archive: what was published is lost/);
});

test('a spot instance that is taken back leaves at once, whatever its group says', () => {
  const taken = planLifeCycle({ ...SERVING, interrupted: true });
  assert.equal(taken.role, 'leaving');
  assert.match(taken.reason, /spot/);
});

test('a warm instance has its configuration and no place in the ensemble; one that comes back from service leaves first', () => {
  const warm: LifeCycleView = {
    ...SERVING,
    target: 'Warmed:Stopped',
    pending: ['launching', 'terminating'],
    place: 'none',
  };
  assert.equal(planLifeCycle(warm).role, 'client');
  assert.deepEqual(acts(warm), ['terminating continue', 'launching continue']);
  assert.deepEqual(acts({ ...warm, configuration: 'applying' }), ['terminating continue', 'launching heartbeat']);
  assert.deepEqual(acts({ ...warm, place: 'member' }), ['terminating heartbeat', 'launching continue']);
});

test('standby, detached, and in no group: a member like any other, and no hook is touched', () => {
  for (const target of ['Standby', 'Detached', undefined]) {
    const plan = planLifeCycle({ ...SERVING, target, pending: ['launching', 'terminating'] });
    assert.deepEqual([plan.role, plan.hooks], ['full', []], target);
  }
});

const views: fc.Arbitrary<LifeCycleView> = fc.record({
  target: fc.constantFrom(
    'InService',
    'Terminated',
    'Warmed:Stopped',
    'Warmed:Running',
    'Warmed:Terminated',
    'Standby',
    undefined,
  ),
  interrupted: fc.boolean(),
  pending: fc.subarray(['launching', 'terminating'] as const),
  configuration: fc.constantFrom('unknown', 'none', 'applying', 'applied', 'failed'),
  failedFor: fc.nat(10_000),
  onFailure: fc.constantFrom('wait', 'abandon'),
  place: fc.constantFrom('member', 'none', 'left'),
  others: fc.option(fc.nat(9), { nil: undefined }),
  isWanted: fc.boolean(),
  archived: fc.option(fc.boolean(), { nil: undefined }),
  endingFor: fc.nat(10_000),
});

test('whatever the view: no member ends before it has left while others can take over, and none serves without its configuration', () => {
  fc.assert(
    fc.property(views, (view) => {
      const { hooks, reason } = planLifeCycle(view);
      assert.ok(reason.length > 0);
      for (const { hook, act } of hooks) {
        assert.ok(view.pending.includes(hook), 'only what is pending');
        if (hook === 'launching' && act === 'continue') assert.match(view.configuration, /^(applied|none)$/);
        if (hook === 'launching' && act === 'abandon') assert.equal(view.onFailure, 'abandon');
        if (hook === 'terminating') {
          assert.notEqual(act, 'abandon');
          if (act === 'continue' && view.place === 'member' && view.endingFor < 600)
            assert.ok(view.others === 0 && !view.isWanted && view.archived === true, 'its data is in the archive');
        }
      }
    }),
    { numRuns: 5000 },
  );
});
