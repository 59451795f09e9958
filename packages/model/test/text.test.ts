import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { blameLines, mergeText, textOf, unifiedDiff } from '../src/text.ts';

test('text comes back byte for byte, and bytes that are no text are told', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed() && !text.includes('\0')),
      (text) => assert.equal(textOf(Buffer.from(text)), text),
    ),
  );
  assert.equal(textOf(Buffer.from('\uFEFFwith a mark')), '\uFEFFwith a mark');
  assert.equal(textOf(Buffer.from([0x61, 0xff])), undefined);
  assert.equal(textOf(Buffer.from('a\0b')), undefined);
});

test('a diff shows the change with its surroundings, and nothing where nothing changed', () => {
  const [before, after] = ['1\n2\n3\n4\n5\n6\n', '1\n2\n3\n4\nfive\n6\n'];
  const shown = unifiedDiff({ name: 'a/x', text: before }, { name: 'b/x', text: after });
  assert.match(shown, /^--- a\/x\n\+\+\+ b\/x\n@@ -2,5 \+2,5 @@\n 2\n 3\n 4\n-5\n\+five\n 6\n$/);
  assert.equal(unifiedDiff({ name: 'a', text: before }, { name: 'b', text: before }), '');
  assert.equal(unifiedDiff({ name: 'a', text: before }, { name: 'b', text: after }, 1), undefined);
  assert.match(unifiedDiff({ name: 'a', text: before }, { name: 'b', text: after }, 2)!, /five/);
});

const NAMES = { ours: 'yours', theirs: 'release 7' };
const text = (lines: readonly string[]): string => `${lines.join('\n')}\n`;

test('texts that were changed in different places are merged, in the same place marked', () => {
  const lines = ['one', 'two', 'three', 'four', 'five'];
  const ours = lines.with(0, 'ONE');
  assert.deepEqual(mergeText(text(lines), text(ours), text(lines.with(4, 'FIVE')), NAMES), {
    text: text(['ONE', 'two', 'three', 'four', 'FIVE']),
    conflicts: 0,
  });
  assert.deepEqual(mergeText(text(lines), text(ours), text(lines.with(0, 'Eins')), NAMES), {
    text: text(['<<<<<<< yours', 'ONE', '=======', 'Eins', '>>>>>>> release 7', 'two', 'three', 'four', 'five']),
    conflicts: 1,
  });
});

test('a text that only one side changed is that side', () => {
  const some = fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 8 }).map((lines) => lines.join('\n'));
  fc.assert(
    fc.property(some, some, (base, changed) => {
      for (const [ours, theirs] of [
        [changed, base],
        [base, changed],
        [changed, changed],
      ] as const)
        assert.deepEqual(mergeText(base, ours, theirs, NAMES), { text: changed, conflicts: 0 });
    }),
  );
});

test('each line is blamed on the text that brought it in, also when lines around it come and go', () => {
  assert.deepEqual(blameLines(['a\nb\nc\n', 'a\nx\nc\n', 'new\na\nx\nc\nend\n']), [2, 0, 1, 0, 2]);
  assert.deepEqual(blameLines(['a\nb\n', 'b\n', 'a\nb\n']), [2, 0], 'a line that went and came again is new');
  assert.deepEqual(blameLines(['a']), [0]);
  assert.deepEqual(blameLines(['a\n', '']), []);
});
