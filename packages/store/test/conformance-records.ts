import assert from 'node:assert/strict';
import type { InstanceStatus } from '@quorate/model';
import type { Latest, Store } from '../src/index.ts';
import { publishFiles } from './publishing.ts';
import type { Promising, StoredRecord, Subject } from './suite.ts';

export const statusOf = (id: string, applied: number): InstanceStatus => ({
  format: 1,
  id,
  host: 'h',
  version: '0',
  bundles: { web: { applied, digest: '', target: 1, state: 'applied' } },
});

/** What stands on each kind of record. */
const READS: Readonly<Record<StoredRecord, (store: Store) => Promise<unknown>>> = {
  format: (store) => store.bundles(),
  head: (store) => store.latest('web'),
  release: (store) => store.release('web', 1),
  status: (store) => store.instances(),
};

/** How records are read that somebody else wrote. */
export function records(promise: Promising): void {
  const filled = async (store: Store): Promise<Latest> => {
    const one = await publishFiles(store, undefined, { a: '1' });
    await store.report(statusOf('i', 1));
    return publishFiles(store, one, { a: '2' });
  };

  promise('a newer record of each kind is refused with what to do, and only what needs it', async (subject, store) => {
    const two = await filled(store);
    for (const record of ['status', 'release', 'head', 'format'] as const) {
      let before = '';
      await subject.rewrite(record, (text) => {
        before = text;
        return JSON.stringify({ ...JSON.parse(text), format: 9, unheard: 'of' });
      });
      await using fresh = await openAnyway(subject);
      for (const [kind, read] of Object.entries(READS)) {
        if (kind !== record && record !== 'format') await read(fresh);
        else
          await assert.rejects(
            read(fresh),
            { code: 'NEWER_FORMAT', message: /format 9.*up to \d.*upgrade Quorate/ },
            kind,
          );
      }
      if (record === 'head' || record === 'format')
        await assert.rejects(publishFiles(fresh, two, { a: '3' }), { code: 'NEWER_FORMAT' });
      await subject.rewrite(record, () => before);
    }
    assert.equal((await store.latest('web'))?.release.id, two.release.id);
  });

  promise('a record that nobody of ours wrote is damaged, never half believed', async (subject, store) => {
    await filled(store);
    for (const record of ['status', 'release', 'head', 'format'] as const) {
      let before = '';
      await subject.rewrite(record, (text) => (before = text));
      const { format, ...rest } = JSON.parse(before);
      for (const text of [
        '',
        'null',
        '[]',
        '"format"',
        '{"format":1',
        JSON.stringify(rest),
        JSON.stringify({ ...rest, format: '1' }),
        JSON.stringify({ ...rest, format: 0 }),
        JSON.stringify({ ...rest, format: -1 }),
        before.replace('"format":1', '"format":1e-3'),
        before.replace('"format":1', '"__proto__":{"format":1}'),
        ...(record === 'head'
          ? [before.replace('"release":2', '"release":1e400'), before.replace('"release":2', '"release":"2"')]
          : []),
        ...(record === 'head'
          ? [before.replace(/"digest":"./, '"digest":"x'), before.replace('"release":2', '"release":1')]
          : []),
        ...(record === 'release'
          ? [before.replace('"number":1', '"number":2'), before.replace('"web"', '"other"')]
          : []),
        ...(record === 'release' ? [before.replace('"author":"suite"', '"author":["suite"]')] : []),
        ...(record === 'status'
          ? [before.replace('"applied":1', '"applied":-1'), before.replace('"bundles":{', '"bundles":[')]
          : []),
      ]) {
        await subject.rewrite(record, () => text);
        await using fresh = await openAnyway(subject);
        await assert.rejects(READS[record](fresh), { code: 'CORRUPT' }, `${record}: ${text}`);
        await subject.rewrite(record, () => before);
      }
    }
  });
}

/** A store that is refused when it is opened refuses every call. */
async function openAnyway(subject: Subject): Promise<Store> {
  try {
    return await subject.open();
  } catch (error) {
    const refuse = (): Promise<never> => Promise.reject(error);
    const calls = {
      bundles: refuse,
      latest: refuse,
      release: refuse,
      instances: refuse,
      publish: refuse,
      blob: refuse,
    };
    return { ...calls, [Symbol.asyncDispose]: async () => undefined } as unknown as Store;
  }
}
