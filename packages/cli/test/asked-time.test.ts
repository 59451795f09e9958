import assert from 'node:assert/strict';
import test from 'node:test';
import { parseTime } from '../src/asked-time.ts';

const NOW = new Date(2026, 10, 25, 12, 31, 7).getTime();
const HOUR = 3_600_000;

test('a time is read as people type it', () => {
  const cases: [string, number][] = [
    ['-2h', NOW - 2 * HOUR],
    ['-1h30m', NOW - 1.5 * HOUR],
    ['-90min', NOW - 1.5 * HOUR],
    ['- 2h', NOW - 2 * HOUR],
    ['2 hours ago', NOW - 2 * HOUR],
    ['1 day 2h ago', NOW - 26 * HOUR],
    ['3w ago', NOW - 21 * 24 * HOUR],
    ['-0s', NOW],
    ['Today', new Date(2026, 10, 25).getTime()],
    ['yesterday', new Date(2026, 10, 24).getTime()],
    ['2026-11-25', new Date(2026, 10, 25).getTime()],
    ['2026-11-25 12:31', new Date(2026, 10, 25, 12, 31).getTime()],
    ['2026-11-25T12:31:07Z', Date.UTC(2026, 10, 25, 12, 31, 7)],
    ['2026-11-25 12:31 +01:00', Date.UTC(2026, 10, 25, 11, 31)],
  ];
  for (const [text, time] of cases) {
    assert.equal(parseTime(text.trim(), NOW).upTo, time, text);
    assert.equal(parseTime(text, NOW).isRelative, !/^\d{4}-/.test(text), text);
  }
});

test('now is the newest release, also where clocks of publishers are ahead of this one', () => {
  assert.deepEqual(parseTime('now', NOW), { upTo: Number.POSITIVE_INFINITY, shown: NOW, isRelative: true });
});

test('what is no time of the past is refused, with what can be written', () => {
  for (const text of [
    '',
    '-',
    '2h',
    '+2h',
    '-2',
    '-2y',
    '-1month',
    '-h',
    '-2h3',
    'ago',
    '2 ago',
    'tomorrow',
    '-99999w',
  ])
    assert.throws(
      () => parseTime(text, NOW),
      { exit: 2, message: `${JSON.stringify(text)} is no time of the past`, hint: /now, today, yesterday, -2h/ },
      text,
    );
  for (const text of ['2026-02-30', '2026-11-25 25:00', '26-11-25', '2026-11-25 12'])
    assert.throws(() => parseTime(text, NOW));
});
