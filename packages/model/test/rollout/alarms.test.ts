import assert from 'node:assert/strict';
import test from 'node:test';
import { judgeAlarms } from '../../src/index.ts';

const seen = (states: Record<string, string>): { name: string; state: string; reason: string }[] =>
  Object.entries(states).map(([name, state]) => ({ name, state, reason: `${name} was\n looked at` }));

test('alarms are a gate: open while all are OK, shut by one that is in ALARM or does not exist, and else it is not known', () => {
  const cases: [string[], Record<string, string>, string, RegExp][] = [
    [['a'], { a: 'OK' }, 'open', /^$/],
    [['a', 'b'], { a: 'OK', b: 'OK' }, 'open', /^$/],
    [['a', 'b'], { a: 'OK', b: 'ALARM' }, 'shut', /^alarm b is ALARM: b was looked at$/],
    [['a', 'b', 'c'], { a: 'ALARM', b: 'ALARM', c: 'ALARM' }, 'shut', /^alarm a is ALARM: .*; so are b, c$/],
    [['a', 'b'], { a: 'INSUFFICIENT_DATA', b: 'OK' }, 'unknown', /^alarm a is INSUFFICIENT_DATA: a was looked at$/],
    [['a', 'b'], { a: 'INSUFFICIENT_DATA', b: 'ALARM' }, 'shut', /^alarm b is ALARM/],
    [['a', 'b'], { b: 'OK' }, 'shut', /^eu-west-1 has no alarm a: see rollout\.gate\.alarm in the definition/],
    [['a'], {}, 'shut', /has no alarm a/],
    [['a'], { a: 'OK', b: 'ALARM' }, 'open', /^$/],
    [['a'], { a: 'SOMETHING_NEW' }, 'unknown', /^alarm a is SOMETHING_NEW/],
  ];
  for (const [wanted, states, state, detail] of cases) {
    const answer = judgeAlarms(wanted, seen(states), 'eu-west-1');
    assert.equal(answer.state, state, JSON.stringify([wanted, states]));
    assert.match(answer.detail, detail);
  }
  const [long] = seen({ a: 'ALARM' });
  const { detail } = judgeAlarms(['a'], [{ ...long!, reason: 'x'.repeat(1023) }], 'eu-west-1');
  assert.ok(detail.length < 300 && detail.endsWith('…'));
});
