import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hints } from '../src/index.ts';

const HOUR = 3_600_000;
const { signal } = new AbortController();

test('a hint ends a rest, and one that came before it begins is not lost, nor told twice', async () => {
  const hints = new Hints();
  const resting = hints.rest(HOUR, signal);
  hints.ring();
  hints.ring();
  assert.equal(await resting, true);
  hints.ring();
  assert.equal(await hints.rest(HOUR, signal), true);
  assert.equal(await hints.rest(1, signal), false);
});

test('a rest ends by its time or by the signal, without a hint', async () => {
  const hints = new Hints();
  const ending = new AbortController();
  const resting = hints.rest(HOUR, ending.signal);
  ending.abort();
  assert.equal(await resting, false);
  assert.equal(await hints.rest(HOUR, ending.signal), false);
});

test('when it begins to be heard of changes, or ends, it is looked once', async () => {
  const hints = new Hints();
  hints.isHeard = true;
  assert.equal(await hints.rest(HOUR, signal), true);
  hints.isHeard = true;
  assert.equal(await hints.rest(1, signal), false);
  hints.isHeard = false;
  assert.equal(await hints.rest(HOUR, signal), true);
});
