import assert from 'node:assert/strict';
import test from 'node:test';
import { certificateTurn, judge, type MemberHealth, type Seen, type Trouble } from '../../src/ensemble/index.ts';

const health: MemberHealth = {
  mode: 'follower',
  zxid: '0x100000002',
  epoch: 1,
  counter: 2,
  latency: { min: 0, average: 0.5, max: 3 },
  connections: 1,
  outstanding: 0,
  version: '3.9.5',
};
/** A member that was started long ago. */
const base: Seen = {
  now: 1_000_000,
  lives: true,
  answered: true,
  quietSince: 0,
  triedAt: 0,
  tries: 1,
  stuckAfter: 60_000,
};
const seen = (more: Partial<Seen>): Seen => ({ ...base, ...more });
const corrupt: Trouble = { state: 'corrupt', detail: 'x' };
const taken: Trouble = { state: 'port-taken', detail: 'x' };

const table: readonly (readonly [string, Seen, state: string, act: string])[] = [
  ['a member that serves is left alone', seen({ answer: { kind: 'serves', health } }), 'serving', 'none'],
  [
    'unless its files are gone: then its ensemble decides',
    seen({ answer: { kind: 'serves', health }, lostFiles: true }),
    'corrupt',
    'none',
  ],
  [
    'one that was just started may take its time',
    seen({ answer: { kind: 'closed' }, quietSince: 995_000 }),
    'starting',
    'none',
  ],
  [
    'one that still reads its data is not restarted, also when the others serve',
    seen({ answer: { kind: 'closed' }, answered: false, quietSince: 800_000, othersServe: true }),
    'starting',
    'none',
  ],
  ['but not for ever', seen({ answer: { kind: 'closed' }, answered: false, quietSince: 600_000 }), 'hung', 'restart'],
  [
    'one that closed its door is restarted when the others serve',
    seen({ answer: { kind: 'closed' }, quietSince: 900_000, othersServe: true }),
    'hung',
    'restart',
  ],
  [
    'one that lacks a majority is never restarted for that',
    seen({ answer: { kind: 'seeks' }, othersServe: false }),
    'seeking',
    'none',
  ],
  ['nor while nobody can tell', seen({ answer: { kind: 'seeks' } }), 'seeking', 'none'],
  [
    'one that seeks for long while the others serve is',
    seen({ answer: { kind: 'seeks' }, othersServe: true }),
    'hung',
    'restart',
  ],
  [
    'but not before its time',
    seen({ answer: { kind: 'seeks' }, othersServe: true, quietSince: 950_000 }),
    'seeking',
    'none',
  ],
  [
    'one that does not answer is told as hung',
    seen({ answer: { kind: 'silent' }, othersServe: false, quietSince: 950_000 }),
    'hung',
    'none',
  ],
  [
    'and restarted when the others serve',
    seen({ answer: { kind: 'silent' }, othersServe: true, quietSince: 900_000 }),
    'hung',
    'restart',
  ],
  ['or after five minutes: it may be what they lack', seen({ answer: { kind: 'silent' } }), 'hung', 'restart'],
  [
    'one whose certificate was replaced a moment ago is left alone',
    seen({ answer: { kind: 'serves', health }, certificate: { missingFor: 30_000, turn: 35_000, tried: false } }),
    'serving',
    'none',
  ],
  [
    'one that still shows the former one is started anew in its turn',
    seen({ answer: { kind: 'serves', health }, certificate: { missingFor: 35_001, turn: 35_000, tried: false } }),
    'serving',
    'restart',
  ],
  [
    'but once only',
    seen({ answer: { kind: 'serves', health }, certificate: { missingFor: 900_000, turn: 35_000, tried: true } }),
    'serving',
    'none',
  ],
  ['what its log tells is told', seen({ answer: { kind: 'seeks' }, trouble: taken }), 'port-taken', 'none'],
  ['one that ended is started again', seen({ lives: false }), 'starting', 'start'],
  ['at once at first', seen({ lives: false, tries: 0, triedAt: Number.NEGATIVE_INFINITY }), 'starting', 'start'],
  ['not at once when it ends again and again', seen({ lives: false, tries: 3, triedAt: 990_000 }), 'down', 'none'],
  ['but after a while', seen({ lives: false, tries: 3, triedAt: 984_000 }), 'starting', 'start'],
  ['at last every minute', seen({ lives: false, tries: 30, triedAt: 950_000 }), 'down', 'none'],
  ['with what its end tells', seen({ lives: false, tries: 30, triedAt: 950_000, trouble: corrupt }), 'corrupt', 'none'],
  [
    'what is mended on this machine is looked at more often',
    seen({ lives: false, tries: 30, triedAt: 984_000, trouble: taken }),
    'port-taken',
    'start',
  ],
];

for (const [promise, view, state, act] of table) {
  test(promise, () => {
    const judgement = judge(view);
    assert.deepEqual([judgement.report.state, judgement.act], [state, act]);
    if (state !== 'serving') assert.ok(judgement.report.detail, 'says what is going on');
  });
}

test('what a member that serves should have mended is told, the worst first', () => {
  const detail = (more: Partial<Seen>): string | undefined =>
    judge(seen({ answer: { kind: 'serves', health }, ...more })).report.detail;
  assert.equal(detail({ fill: 0.3, littleRoom: false, lostFiles: false }), undefined);
  assert.match(detail({ fill: 0.62, outdated: 7 })!, /fills 60 % of its heap: set a larger heap/);
  assert.match(detail({ outdated: 7 })!, /kill 7/);
  assert.match(detail({ littleRoom: true, fill: 0.9 })!, /disk is almost full/);
});

test('of members that all have new certificates, one is started anew after the other', () => {
  const turns = [1, 2, 3, 4, 5, 6, 7].map(certificateTurn);
  assert.deepEqual(turns, [...new Set(turns)]);
  const detail = (missingFor: number, tried: boolean): string | undefined =>
    judge(seen({ answer: { kind: 'serves', health }, certificate: { missingFor, turn: 50_000, tried } })).report.detail;
  assert.equal(detail(5000, false), undefined);
  assert.match(detail(30_000, false)!, /file watchers/);
  assert.match(detail(30_000, true)!, /who answers on its ports/);
});
