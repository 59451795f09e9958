import assert from 'node:assert/strict';
import type { Tag } from '@quorate/model';
import { type Latest, removeTag, type Store, setTag } from '../src/index.ts';
import { publishFiles } from './publishing.ts';
import type { Promising } from './suite.ts';

const tag = (name: string, release: number, kept = false): Tag => ({
  name,
  release,
  ...(kept ? { protected: true } : {}),
  author: 'suite',
  time: '2026-11-25T10:00:00.000Z',
});

async function line(store: Store, releases: number): Promise<Latest> {
  let latest: Latest | undefined;
  for (let number = 1; number <= releases; number++) latest = await publishFiles(store, latest, { a: `${number}` });
  return latest!;
}

/** Names of releases, and what they protect. */
export function tags(promise: Promising): void {
  promise('a tag is read by another process, moves only where that was asked for, and goes', async (subject, store) => {
    await line(store, 2);
    assert.deepEqual(await store.tags('web'), { tags: [] });
    assert.equal(await setTag(store, 'web', tag('stable', 1)), undefined);
    await setTag(store, 'web', tag('constructor', 2));
    await using other = await subject.open();
    assert.deepEqual((await other.tags('web')).tags, [tag('constructor', 2), tag('stable', 1)]);
    const message = 'the tag stable of web is at release 1 already';
    await assert.rejects(setTag(other, 'web', tag('stable', 2)), { code: 'TAKEN', message });
    assert.deepEqual(await setTag(other, 'web', tag('stable', 2), { mayMove: true }), tag('stable', 1));
    assert.deepEqual(await removeTag(store, 'web', 'stable'), tag('stable', 2));
    assert.deepEqual((await other.tags('web')).tags, [tag('constructor', 2)]);
    await assert.rejects(removeTag(store, 'web', 'stable'), { code: 'NOT_FOUND', message: 'web has no tag stable' });
    await assert.rejects(setTag(store, 'web', tag('next', 3)), { code: 'NOT_FOUND' });
    await assert.rejects(setTag(store, 'web', tag('..', 1)), { code: 'BAD_TAG' });
    await assert.rejects(store.tags('../x'), { code: 'BAD_PATH' });
  });

  promise('of many who tag at once nobody loses a tag', async (subject, store) => {
    await line(store, 1);
    await using other = await subject.open();
    const names = Array.from({ length: 8 }, (_, at) => `t${at}`);
    await Promise.all(names.map((name, at) => setTag(at % 2 ? store : other, 'web', tag(name, 1))));
    assert.deepEqual(
      (await store.tags('web')).tags.map(({ name }) => name),
      names,
    );
  });

  promise('a collection leaves alone what is protected, and what came after it', async (subject, store) => {
    await line(store, 5);
    await setTag(store, 'web', tag('kept', 3, true));
    await setTag(store, 'web', tag('loose', 1));
    await using other = await subject.open();
    assert.equal((await other.collect({ keep: 1 })).releases, 2);
    assert.deepEqual(await store.releases('web'), [3, 4, 5]);
    assert.ok(await store.blob((await store.release('web', 3))!.pages[0]!));
    await removeTag(store, 'web', 'kept');
    assert.equal((await other.collect({ keep: 1 })).releases, 2);
    assert.deepEqual(await store.releases('web'), [5]);
  });
}
