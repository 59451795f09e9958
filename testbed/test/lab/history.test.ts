import assert from 'node:assert/strict';
import test from 'node:test';
import { broken, type Deed, type History, refusedFor } from '../../lab/history.ts';

const attempt = (text: string, base: number, at = 0): Deed => ({ kind: 'attempt', by: 'p', text, base, at });
const acknowledged = (text: string, release: number, at = 0): Deed => ({
  kind: 'acknowledged',
  by: 'p',
  text,
  release,
  digest: `digest of ${text}`,
  at,
});
const refused = (text: string, code: string): Deed => ({ kind: 'refused', by: 'p', text, code, at: 0 });
const line = (...texts: string[]): History['line'] =>
  texts.map((text, at) => ({ number: at + 1, digest: `digest of ${text}`, parent: at, texts: [text, text] }));
const reading = (...texts: string[]): History['readings'][0] => ({ machine: 'web-1', texts, faults: [] });
const whole: History = {
  deeds: [
    attempt('one', 1),
    acknowledged('one', 2),
    attempt('two', 2),
    attempt('lost', 2),
    refused('lost', 'CONFLICT'),
  ],
  line: line('zero', 'one', 'two'),
  readings: [reading('zero', 'one', 'one', 'two')],
};

test('a whole history breaks nothing: an outcome that nobody was told may be there', () => {
  assert.deepEqual(broken(whole), []);
  assert.deepEqual(broken({ ...whole, deeds: [...whole.deeds, refused('two', 'UNKNOWN_OUTCOME')] }), []);
});

const planted: Readonly<Record<string, readonly [Partial<History>, RegExp]>> = {
  'an acknowledged release that is lost': [{ line: line('zero') }, /P2: release 2, acknowledged to p, is lost/],
  'an acknowledged release that holds something else': [
    { line: line('zero', 'two', 'one') },
    /P2: release 2, acknowledged to p, holds something else/,
  ],
  'a gap in the line': [{ line: whole.line.filter(({ number }) => number !== 2) }, /P3: release 3 stands in place 2/],
  'a release made from another than the one below it': [
    { line: whole.line.map((release) => (release.number === 3 ? { ...release, parent: 1 } : release)) },
    /P3: release 3 was made from release 1/,
  ],
  'a publish that overwrote what it had not seen': [
    { deeds: [attempt('one', 1), acknowledged('one', 2), attempt('two', 1)] },
    /P3: p made release 3 from release 1/,
  ],
  'one publish twice in the line': [
    { line: line('zero', 'one', 'two', 'one') },
    /P3: release 2 is in the line twice: also as 4/,
  ],
  'a release of nobody': [{ line: line('zero', 'one', 'two', 'ghost') }, /P3: nobody made release 4 \(ghost\)/],
  'a refused release that is there': [
    { deeds: [...whole.deeds, refused('two', 'UNREACHABLE')] },
    /P2: release 3 was refused to p \(UNREACHABLE\), and is there/,
  ],
  'an application that goes back': [
    { readings: [reading('zero', 'two', 'one')] },
    /P3: web-1 went back from release 3/,
  ],
  'an application that reads what is in no release': [
    { readings: [reading('zero', 'ghost')] },
    /P2: web-1 had ghost live, which is in no release/,
  ],
  'an application that sees two releases at once': [
    { readings: [{ machine: 'web-1', texts: [], faults: ['one together with two'] }] },
    /P1: web-1 read one together with two/,
  ],
  'a release that is torn in the store': [
    { line: whole.line.map((release) => (release.number === 2 ? { ...release, texts: ['one', 'zero'] } : release)) },
    /P1: release 2 holds one and zero/,
  ],
};
for (const [what, [change, said]] of Object.entries(planted)) {
  test(`the checker finds ${what}`, () => {
    assert.match(broken({ ...whole, ...change }).join('\n'), said);
  });
}

test('publishing was refused until the first acknowledgement of what was attempted after the moment', () => {
  const deeds = [
    attempt('one', 1, 90),
    attempt('two', 1, 110),
    acknowledged('one', 2, 120),
    acknowledged('two', 3, 350),
  ];
  assert.equal(refusedFor(deeds, 100), 250);
  assert.equal(refusedFor(deeds, 400), undefined);
  assert.equal(refusedFor(deeds, 100, 2), undefined);
  const other: Deed[] = [
    { kind: 'attempt', by: 'other', text: 'o', base: 1, at: 110 },
    { kind: 'acknowledged', by: 'other', text: 'o', release: 9, digest: 'd', at: 900 },
  ];
  assert.equal(refusedFor([...deeds, ...other], 100, 2), 800);
});
