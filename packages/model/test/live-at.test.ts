import assert from 'node:assert/strict';
import test from 'node:test';
import { liveAt } from '../src/index.ts';

const line = (...times: string[]): { number: number; time: string }[] =>
  times.map((time, at) => ({ number: at + 1, time: `2026-11-25T${time}:00Z` }));
const at = (time: string): number => Date.parse(`2026-11-25T${time}:00Z`);

test('live at a time is the newest release that is not younger', () => {
  const releases = line('10:00', '11:00', '12:00');
  assert.deepEqual(liveAt(releases, at('11:30')), { number: 2, backwards: [] });
  assert.deepEqual(liveAt(releases, at('12:00')), { number: 3, backwards: [] });
  assert.deepEqual(liveAt(releases, at('09:59')), { backwards: [] });
  assert.deepEqual(liveAt([], at('12:00')), { backwards: [] });
});

test('the order of the line decides where recorded times run backwards, and it says so', () => {
  const releases = line('10:00', '13:00', '11:00', '12:00');
  assert.deepEqual(liveAt(releases, at('11:30')), { number: 3, backwards: [3] });
  assert.deepEqual(liveAt(releases, at('10:30')), { number: 1, backwards: [3] });
});

test('a time that no publisher of ours wrote is passed over', () => {
  assert.deepEqual(liveAt([...line('10:00'), { number: 2, time: 'noon' }], at('11:00')), { number: 1, backwards: [] });
});
