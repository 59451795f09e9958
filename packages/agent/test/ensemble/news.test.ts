import assert from 'node:assert/strict';
import test from 'node:test';
import { News } from '../../src/ensemble/news.ts';

const never = new AbortController().signal;

test('a wait ends with the news, also with news that came before it, and once for all of them', async () => {
  const news = new News();
  news.arrived();
  news.arrived();
  assert.equal(await news.wait(60_000, never), true);
  assert.equal(await news.wait(1, never), false);
  const waiting = news.wait(60_000, never);
  news.arrived();
  assert.equal(await waiting, true);
});

test('a wait ends with its time and with its signal, and says that there was nothing', async () => {
  const news = new News();
  assert.equal(await news.wait(1, never), false);
  const stop = new AbortController();
  const waiting = news.wait(60_000, stop.signal);
  stop.abort();
  assert.equal(await waiting, false);
  assert.equal(await news.wait(60_000, stop.signal), false);
});

test('each item of a stream is news, until it ends', async () => {
  const news = new News();
  const items = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  news.follow(
    (async function* () {
      for (const { promise } of items) yield await promise;
    })(),
  );
  for (const { resolve } of items) {
    const waiting = news.wait(60_000, never);
    resolve();
    assert.equal(await waiting, true);
  }
});
