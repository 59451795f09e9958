import assert from 'node:assert/strict';
import test from 'node:test';
import { bounded } from '../../src/checks/bounded.ts';

const sleep = (): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);

test('what takes more than its time of the processor is cut off', async () => {
  const fault = await bounded(() => {
    for (;;);
  }, 300);
  assert.deepEqual(fault, { reason: 'takes more than 0.3 s to be checked' });
});

test('what a busy machine kept waiting is called again', async () => {
  let calls = 0;
  const fault = await bounded(() => {
    if (++calls < 3) sleep();
    return { reason: 'as it is' };
  }, 50);
  assert.deepEqual(fault, { reason: 'as it is' });
  assert.equal(calls, 3);
});

test('where it never gets its time, that is told, and other work is done in between', async () => {
  let breaths = 0;
  const breathing = setInterval(() => breaths++, 1);
  const fault = await bounded(() => void sleep(), 50);
  clearInterval(breathing);
  assert.match(fault!.reason, /could not be checked: 5 times this machine was too busy/);
  assert.ok(breaths > 0);
});
