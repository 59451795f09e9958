import assert from 'node:assert/strict';
import { type Rollout, releaseFor, steered } from '@quorate/model';
import type { Latest, Store, StoreError } from '../src/index.ts';
import { statusOf } from './conformance-records.ts';
import { publishFiles, readTexts } from './publishing.ts';
import type { Promising } from './suite.ts';

const LINEAR = { strategy: 'linear' } as const;
const signature = { by: 'suite', time: '2026-01-01T00:00:00Z' };

/** A fleet of four that runs release 1, and release 2 on its way to it. */
async function begun(store: Store): Promise<{ one: Latest; two: Latest; rollout: Rollout }> {
  const one = await publishFiles(store, undefined, { a: '1' });
  for (const id of ['w-1', 'w-2', 'w-3', 'w-4']) await store.report(statusOf(id, 1));
  const two = await publishFiles(store, one, { a: '2' }, { rollout: LINEAR });
  return { one, two, rollout: two.head.rollout! };
}

export function rollouts(promise: Promising): void {
  promise('a rollout begins with its release, and others read it whole', async (subject, store) => {
    const { two, rollout } = await begun(store);
    assert.equal(rollout.from, 1);
    await using other = await subject.open();
    assert.deepEqual(await other.latest('web'), two);
    const letIn = (await other.instances()).filter((one) => releaseFor(two.head, one) === 2);
    assert.ok(letIn.length <= 1, `${letIn.length} of 4 by 25 %`);
  });

  promise('a step is one change of the head, and leaves the release alone', async (subject, store) => {
    const { two, rollout } = await begun(store);
    const paused = steered(rollout, 'pause', 'a look', signature);
    const head = await store.steer('web', two.head, paused);
    assert.deepEqual(head.rollout, paused);
    await using other = await subject.open();
    assert.deepEqual(await other.latest('web'), { head, release: two.release });
    assert.deepEqual(await other.releases('web'), [1, 2]);
    assert.deepEqual(await other.steer('web', two.head, paused), head, 'the same once more');
  });

  promise('of two that change it from the same head one wins', async (subject, store) => {
    const { two, rollout } = await begun(store);
    await using other = await subject.open();
    const ways = ['pause', 'abort', 'promote', 'abort'] as const;
    const tried = await Promise.allSettled(
      ways.map((way, at) => (at % 2 ? store : other).steer('web', two.head, steered(rollout, way, `${at}`, signature))),
    );
    const lost = tried.filter((one) => one.status === 'rejected').map(({ reason }) => reason);
    assert.equal(lost.length, ways.length - 1);
    for (const error of lost) assert.equal((error as StoreError).code, 'CONFLICT');
    const won = tried.findIndex(({ status }) => status === 'fulfilled');
    assert.equal((await other.latest('web'))?.head.rollout?.story.at(-1)?.why, `${won}`);
  });

  promise('whoever publishes from a head whose rollout has moved on gets a conflict', async (_, store) => {
    const { two, rollout } = await begun(store);
    await store.steer('web', two.head, steered(rollout, 'abort', '', signature));
    const superseding = publishFiles(store, two, { a: '3' }, { rollout: { supersede: true } });
    await assert.rejects(superseding, { code: 'CONFLICT', message: /rollout of release 2 of web has moved on/ });
    assert.equal((await store.latest('web'))?.release.number, 2);
  });

  promise('nothing is published while a release is rolled out, unless it is superseded', async (_, store) => {
    const { two } = await begun(store);
    const message = /release 2 of web by suite is being rolled out \(step 1 of 4\)/;
    await assert.rejects(publishFiles(store, two, { a: '3' }), { code: 'ROLLING_OUT', message });
    const three = await publishFiles(store, two, { a: '3' }, { rollout: { ...LINEAR, supersede: true } });
    assert.equal(three.head.rollout?.from, 1, 'those that are not let in go on with what stood before');
    assert.equal(three.release.before?.release, 2);
  });

  promise('what was withdrawn can be published again, and the release keeps the story', async (_, store) => {
    const { two, rollout } = await begun(store);
    const back = await store.steer('web', two.head, steered(rollout, 'abort', 'no good', signature));
    const three = await publishFiles(store, { ...two, head: back }, { a: '2' }, { rollout: LINEAR });
    assert.equal(three.head.rollout?.from, 1);
    const story = three.release.before!;
    assert.deepEqual([story.release, story.state, story.from], [2, 'back', 1]);
    assert.deepEqual(
      story.story.map(({ what, why }) => `${what}: ${why}`),
      ['begun: step 1 of 4 (25 %) first', 'back: no good'],
    );
  });

  promise('a collection leaves the release that a rollout may go back to', async (subject, store) => {
    const { two, rollout } = await begun(store);
    await store.collect({ keep: 1 });
    assert.deepEqual(await store.releases('web'), [1, 2]);
    const there = (await store.latest('web'))!;
    await store.steer('web', there.head, steered(rollout, 'abort', '', signature));
    await store.collect({ keep: 1 });
    await using other = await subject.open();
    assert.deepEqual(await readTexts(other, { release: (await other.release('web', 1))! }), { a: '1' });
    const back = (await other.latest('web'))!;
    await publishFiles(other, back, { a: '3' }, { rollout: { strategy: 'now' } });
    await other.collect({ keep: 1 });
    assert.deepEqual(await other.releases('web'), [3]);
    assert.equal(two.release.number, 2);
  });
}
