import assert from 'node:assert/strict';
import test from 'node:test';
import type { InstanceStatus } from '@quorate/model';
import { clockIs, clockWarnings, comparableClocks, showOffset } from '../src/output/clock.ts';

const instance = (
  id: string,
  offset?: number,
  more: Partial<InstanceStatus> & { epoch?: number } = {},
): InstanceStatus => {
  const { epoch = 7, ...status } = more;
  const clock = offset === undefined ? {} : { clock: { offset, error: 80, epoch } };
  return { format: 1, id, host: id, version: '0', bundles: {}, ...clock, ...status };
};

test('an offset is shown with its bound, which is rounded up', () => {
  assert.equal(showOffset({ offset: 2.4, error: 78.2, epoch: 1 }), '+2 ms ± 79 ms');
  assert.equal(showOffset({ offset: -0.2, error: 0.2, epoch: 1 }), '+0 ms ± 1 ms');
  assert.equal(showOffset({ offset: -3_600_000, error: 12_345, epoch: 1 }), '-3600.00 s ± 12.35 s');
  assert.equal(clockIs({ offset: 70_016, error: 78.2, epoch: 1 }), "70.02 s ahead of the leader's (± 79 ms)");
  assert.equal(clockIs({ offset: -2000, error: 78.2, epoch: 1 }), "2000 ms behind the leader's (± 79 ms)");
});

test('a clock is warned about when it is surely further off than the bound', () => {
  const fleet = [instance('a', 0, { member: 'leader' }), instance('b', 1079), instance('c', -1081), instance('d')];
  assert.deepEqual(clockWarnings(fleet, 1), ["the clock of c is 1081 ms behind the leader's (± 80 ms)"]);
  assert.equal(clockWarnings(fleet, 0.5).length, 2);
  assert.deepEqual(clockWarnings(fleet, 2), []);
  assert.deepEqual(clockWarnings([], 1), []);
});

test("where most clocks are off to one side, it is probably the leader's", () => {
  const fleet = [
    instance('a', 0, { member: 'leader' }),
    instance('b', 70_000),
    instance('c', 70_010),
    instance('d', 0),
  ];
  const [, , last] = clockWarnings(fleet, 1);
  assert.equal(last, "most clocks are ahead of the leader's, a: probably it is the leader's clock that is wrong");
  assert.equal(clockWarnings([...fleet, instance('e', 10)], 1).length, 2, 'half is not most');
  assert.equal(
    clockWarnings([fleet[0]!, instance('b', 70_000), instance('c', -70_000)], 1).length,
    2,
    'not to one side',
  );
});

test('an offset against an earlier leader is not shown beside those against the one of now', () => {
  const fleet = [instance('a', 0), instance('b', 70_000, { epoch: 6 }), instance('c')];
  assert.deepEqual([...comparableClocks(fleet).keys()], ['a']);
  assert.deepEqual(clockWarnings(fleet, 1), []);
});
