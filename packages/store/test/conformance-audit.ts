import assert from 'node:assert/strict';
import type { AuditRecord } from '@quorate/model';
import { rollback } from '../src/index.ts';
import { publishFiles } from './publishing.ts';
import type { Promising } from './suite.ts';

const record = (what: string): AuditRecord => ({
  action: 'tag',
  what,
  author: 'ann',
  host: 'h',
  result: 'done',
  time: '2026-11-25T10:00:00.000Z',
});

/** The log of what was done. */
export function auditLog(promise: Promising): void {
  promise('what was published and what was noted is read by another process in its order', async (subject, store) => {
    assert.deepEqual(await store.audit({ most: 10 }), []);
    const base = await publishFiles(store, undefined, { a: '1' });
    await publishFiles(store, base, { a: '2' });
    await store.note({ ...record('a tag'), message: 'x'.repeat(5000) });
    await rollback(store, { bundle: 'web', to: 1, author: 'bob', message: 'back' });
    await using other = await subject.open();
    const log = await other.audit({ most: 10 });
    assert.deepEqual(
      log.map(({ action, what, author }) => [action, what, author]),
      [
        ['publish', 'web release 1', 'suite'],
        ['publish', 'web release 2', 'suite'],
        ['tag', 'a tag', 'ann'],
        ['rollback', 'web release 3, as release 1', 'bob'],
      ],
    );
    assert.equal(log[2]!.message?.length, 1001);
    assert.deepEqual(await other.audit({ most: 2 }), log.slice(2));
    assert.deepEqual(await other.audit({ most: 10, after: log[2]!.number }), log.slice(3));
    assert.deepEqual(await other.audit({ most: 10, after: log[3]!.number }), []);
  });

  promise('of many who note something at once nobody is lost', async (subject, store) => {
    await using other = await subject.open();
    const all = Array.from({ length: 30 }, (_, at) => `${at}`);
    await Promise.all(all.map((what, at) => (at % 2 ? store : other).note(record(what))));
    const read = await store.audit({ most: 100 });
    assert.deepEqual(read.map(({ what }) => what).sort(), all.toSorted());
    const numbers = read.map(({ number }) => number);
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
    );
  });
}
