import assert from 'node:assert/strict';
import test from 'node:test';
import { readVariables } from '../src/variables-file.ts';

const read = (text: string | Buffer) => readVariables('.quorate/variables.yaml', Buffer.from(text));

test('a file says the same as a definition does, in YAML or JSON, with comments', () => {
  const said = { bundle: { workers: 4, list: ['a', true] }, zones: { 'eu-1a': { workers: 8 } } };
  assert.deepEqual(
    read('# of the fleet\nbundle: {workers: 4, list: [a, true]}\nzones:\n  eu-1a: {workers: 8} # larger\n'),
    said,
  );
  assert.deepEqual(read(JSON.stringify(said)), said);
  for (const empty of ['', '# nothing yet\n', '{}']) assert.deepEqual(read(empty), {});
});

test('what is wrong is told with its place', () => {
  const cases: [string | Buffer, string][] = [
    ['bundle:\n  workers: 4\n  workers: 5\n', '3:3: Map keys must be unique'],
    ['bundle:\n  a: [1, null]\n', '2:10: bundle.a.1 is no text, number, true, false, list or mapping'],
    ['bundle:\n  a-b: 1\n', '2:8: bundle.a-b is no name: use a letter, then letters, digits and _'],
    ['bundle:\n  __proto__: {x: 1}\n', '2:14: bundle.__proto__ is no name: use a letter, then letters, digits and _'],
    ['zones:\n  a:\n', '2:5: zones.a is no mapping'],
    ['bundle: {}\nfile: x\n', '2:7: file is none of bundle, zones, instances'],
    ['bundle: [1\n', '2:1: Flow sequence in block collection must be sufficiently indented and end with a ]'],
    ['- 1\n', '1:1: a mapping of bundle, zones and instances is wanted'],
    ['a: 1\n---\nb: 1\n', '2:1: Source contains multiple documents'],
    [Buffer.from([0xff]), '1:1: it is not UTF-8 text'],
    [`# ${'x'.repeat(600_000)}`, '1:1: it has more than 512 KiB'],
    ['bundle: {a: *x}\n', '1:1: Unresolved alias (the anchor must be set before the alias): x'],
  ];
  for (const [text, message] of cases)
    assert.throws(
      () => read(text),
      { code: 'BAD_TEMPLATE', message: `the variables file .quorate/variables.yaml:${message}` },
      String(text).slice(0, 40),
    );
  const bomb = `bundle:\n  a: &a [x, x, x, x, x, x, x, x, x, x]\n${['b', 'c', 'd', 'e'].map((name, at) => `  ${name}: &${name} [${Array(10).fill(`*${'abcd'[at]}`).join(', ')}]\n`).join('')}`;
  assert.throws(() => read(bomb), { code: 'BAD_TEMPLATE', message: /Excessive alias count/ });
});
