import assert from 'node:assert/strict';
import test from 'node:test';
import { sha256, type Verdict } from '@quorate/model';
import {
  type LoneVoter,
  planManifest,
  publishManifest,
  readManifest,
  type Store,
  type VoteNews,
} from '../src/index.ts';
import { DirectoryPlace } from './directory-place.ts';
import { DEFINITION, publishFiles, Tree } from './publishing.ts';

type Judge = LoneVoter['judge'];
const NO: Verdict = { ok: false, by: 'validate', reason: 'exit code 1', command: 'nginx -t', exit: 1, output: 'bad' };

/** A release after a first one, as a publisher who has this machine asked makes it. */
async function asked(judge: Judge, terms: { timeout?: number; signal?: AbortSignal; plan?: true } = {}) {
  const place = await DirectoryPlace.make();
  const store: Store = await place.open();
  const base = await publishFiles(store, undefined, { a: 'one', kept: 'kept' });
  const { manifest, read } = new Tree({ a: 'two', kept: 'kept' });
  const what = { bundle: 'web', base, definition: DEFINITION, manifest, read, author: 'suite', message: '' };
  const news: VoteNews[] = [];
  const { timeout, signal } = terms;
  const vote = {
    alone: { instance: 'me', judge },
    told: (one: VoteNews) => news.push(one),
    ...(timeout === undefined ? {} : { timeout }),
  };
  const options = signal ? { signal } : {};
  const outcome = terms.plan
    ? planManifest(store, what, vote, options)
    : publishManifest(store, what, { ...options, vote });
  await outcome.catch(() => undefined); // for the test to look at
  return {
    store,
    news,
    outcome,
    blobs: () => place.storedBlobs(),
    number: async () => (await store.latest('web'))!.release.number,
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await place[Symbol.asyncDispose]();
    },
  };
}

test('the one machine has all of a release before the store has any of it, and its yes publishes it', async () => {
  const seen: Record<string, string> = {};
  await using made = await asked(async ({ number }, content) => {
    for (const entry of await content.manifest())
      if (entry.kind === 'file') seen[entry.path] = String(await content.blob(entry));
    assert.equal(number, 2);
    return { ok: true };
  });
  assert.deepEqual(seen, { a: 'two', kept: 'kept' });
  assert.equal(await made.number(), 2);
  assert.deepEqual(made.news, [
    { kind: 'tally', tally: { yes: [], no: [], silent: ['me'] } },
    { kind: 'tally', tally: { yes: ['me'], no: [], silent: [] } },
  ]);
  const release = (await made.store.release('web', 2))!;
  assert.equal((await readManifest(made.store, release)).length, 2);
  assert.equal(release.vote, undefined, 'it is nothing to note that all who could be asked said yes');
  const kept = await made.blobs();
  assert.ok(kept.some((name) => name.includes(sha256(Buffer.from('two')))));
});

test('its no publishes nothing and leaves nothing in the store', async () => {
  await using made = await asked(async () => NO);
  await assert.rejects(made.outcome, {
    code: 'VOTED_DOWN',
    message:
      /this machine says no to release 2 of web: nothing was published.*\n {2}me: exit code 1 \(nginx -t\)\n {4}bad/,
    no: [{ instance: 'me', verdict: NO }],
  });
  assert.equal(await made.number(), 1);
  const kept = await made.blobs();
  assert.ok(!kept.some((name) => name.includes(sha256(Buffer.from('two')))), 'not even content');
});

test('a machine that does not answer in time is told to stop, and nothing is published', async () => {
  let stopped: unknown;
  const never: Judge = (_, __, { signal }) =>
    new Promise((_resolve, reject) => {
      signal!.addEventListener('abort', () => {
        stopped = signal!.reason;
        reject(signal!.reason as Error);
      });
    });
  // something has to keep this process waiting
  const awake = setInterval(() => undefined, 1000);
  try {
    await using made = await asked(never, { timeout: 1 });
    await assert.rejects(made.outcome, { code: 'NO_ANSWER', silent: ['me'], message: /me, has not answered within/ });
    assert.ok(stopped);
    assert.equal(await made.number(), 1);
  } finally {
    clearInterval(awake);
  }
});

test('an interrupt, and what says nothing of the release, are thrown as they are', async () => {
  const stop = new AbortController();
  await using interrupted = await asked(
    async (_, __, { signal }) => {
      stop.abort(new Error('interrupted'));
      signal!.throwIfAborted();
      return { ok: true };
    },
    { signal: stop.signal },
  );
  await assert.rejects(interrupted.outcome, /^Error: interrupted$/);
  assert.equal(await interrupted.number(), 1);
  await using broken = await asked(async () => {
    throw new Error('no room in /tmp');
  });
  await assert.rejects(broken.outcome, /^Error: no room in \/tmp$/);
  assert.equal(await broken.number(), 1);
});

test('a plan hears the same, and publishes nothing either way', async () => {
  for (const verdict of [NO, { ok: true } as const]) {
    await using made = await asked(async () => verdict, { plan: true });
    assert.deepEqual(await made.outcome, [{ instance: 'me', vote: verdict }]);
    assert.equal(await made.number(), 1);
  }
});
