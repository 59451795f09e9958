import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventQueue } from '../src/event-queue.ts';

test('events are handed out in order, to those who wait and to those who come later', async () => {
  const queue = new EventQueue<number>();
  const waiting = [queue.next(), queue.next()];
  for (const event of [1, 2, 3]) queue.push(event);
  queue.finish();
  assert.deepEqual(await Promise.all(waiting), [
    { value: 1, done: false },
    { value: 2, done: false },
  ]);
  assert.deepEqual(await queue.next(), { value: 3, done: false });
  assert.deepEqual(await queue.next(), { value: undefined, done: true });
});

test('an error comes after the events before it, once', async () => {
  const queue = new EventQueue<number>();
  queue.push(1);
  queue.finish(new Error('over'));
  assert.equal((await queue.next()).value, 1);
  await assert.rejects(queue.next(), /over/);
  assert.equal((await queue.next()).done, true);
});

test('break and an aborted signal end it, and tell the owner once', async () => {
  let left = 0;
  const hooks = { left: () => left++ };
  const broken = new EventQueue<number>(hooks);
  broken.push(1);
  for await (const _ of broken) break;
  assert.equal(left, 1);
  const stop = new AbortController();
  const aborted = new EventQueue<number>(hooks, stop.signal);
  const waiting = aborted.next();
  stop.abort();
  stop.abort();
  assert.equal((await waiting).done, true);
  assert.equal(left, 2);
});

test('a reader that is far behind gets the latest event of each key, in their order, in bounded memory', async () => {
  const queue = new EventQueue<{ key: number; at: number }>({ key: (event) => String(event.key) });
  for (let at = 0; at < 100_000; at++) queue.push({ key: at % 7, at });
  assert.ok(queue.length <= 1_024, String(queue.length));
  queue.finish();
  const latest = new Map<number, number>();
  let before = -1;
  for await (const { key, at } of queue) {
    assert.ok(at > before);
    before = at;
    latest.set(key, at);
  }
  assert.deepEqual([...latest.values()].sort(), [99_993, 99_994, 99_995, 99_996, 99_997, 99_998, 99_999]);
});

test('without a key nothing is dropped', async () => {
  const queue = new EventQueue<number>();
  for (let at = 0; at < 10_000; at++) queue.push(at);
  assert.equal(queue.length, 10_000);
});
