import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { adoptedAs, type DriftStatus, driftStatus, type Edit, isAdoptable, planDrift } from '../src/drift.ts';

const edit = (path: string, more: Partial<Edit> = {}): Edit => ({ path, what: 'content', ...more });
type View = Parameters<typeof planDrift>[0];
const view = (more: Partial<View>): View => ({
  policy: 'adopt',
  edits: [edit('a')],
  digest: 'one',
  settled: true,
  asked: false,
  files: 10,
  head: 3,
  reachable: true,
  restored: 0,
  ...more,
});

test('what is done about edits, and why', () => {
  const refused = { digest: 'one', head: 3, reason: 'web-2 says no' };
  const cases: [Partial<View>, string, RegExp][] = [
    [{ edits: [] }, 'nothing', /all is as the release has it/],
    [{ edits: [], asked: true }, 'nothing', /all is/],
    [{ policy: 'report' }, 'report', /report/],
    [{ policy: 'report', asked: true, settled: false }, 'restore', /somebody asked/],
    [{ policy: 'restore' }, 'restore', /drift: restore/],
    [{ policy: 'restore', settled: false }, 'wait', /somebody is writing/],
    [{ policy: 'restore', reachable: false }, 'restore', /drift: restore/],
    [{ policy: 'restore', restored: 9 }, 'restore', /drift: restore/],
    [{ policy: 'restore', restored: 10 }, 'report', /again and again/],
    [{ policy: 'restore', restored: 10, asked: true }, 'restore', /somebody asked/],
    [{}, 'adopt', /drift: adopt/],
    [{ settled: false }, 'wait', /somebody is writing/],
    [{ reachable: false }, 'wait', /when the store can be reached/],
    [{ adopted: 'one' }, 'wait', /on its way/],
    [{ adopted: 'another' }, 'adopt', /drift: adopt/],
    [{ refused }, 'report', /web-2 says no/],
    [{ refused, digest: 'two' }, 'adopt', /drift: adopt/],
    [{ refused, head: 4 }, 'adopt', /drift: adopt/],
    [{ edits: [edit('a', { rendered: true })] }, 'report', /in the template a/],
    [{ edits: [edit('a', { rendered: true }), edit('b')] }, 'adopt', /drift: adopt/],
    [{ edits: [edit('a', { rendered: true, what: 'mode' })] }, 'adopt', /drift: adopt/],
    [{ edits: [edit('a', { what: 'link' })] }, 'restore', /what the release has/],
    [{ edits: [edit('.', { what: 'missing' })] }, 'restore', /the native folder is gone/],
    [{ edits: [edit('.', { what: 'kind' })] }, 'restore', /the native folder is gone/],
    [{ files: 3, edits: ['a', 'b'].map((path) => edit(path, { what: 'missing' })) }, 'report', /2 paths are gone/],
    [{ files: 4, edits: ['a', 'b'].map((path) => edit(path, { what: 'missing' })) }, 'adopt', /drift: adopt/],
    [{ files: 1, edits: [edit('a', { what: 'missing' })] }, 'adopt', /drift: adopt/],
  ];
  for (const [more, wanted, reason] of cases) {
    const step = planDrift(view(more));
    assert.equal(step.do, wanted, JSON.stringify(more));
    assert.match(step.reason, reason);
    assert.equal(step.refused === true, step.reason === refused.reason);
  }
});

const edits = fc.array(
  fc.record({
    path: fc.constantFrom('.', 'a', 'b/c'),
    what: fc.constantFrom<Edit['what']>('missing', 'added', 'kind', 'content', 'mode', 'owner', 'link'),
    rendered: fc.boolean(),
  }),
  { maxLength: 5 },
);

test('nothing is changed under an editor, nor by `report`, and nothing is offered that no release can hold', () => {
  fc.assert(
    fc.property(
      edits,
      fc.constantFrom<View['policy']>('report', 'restore', 'adopt'),
      fc.boolean(),
      fc.boolean(),
      fc.boolean(),
      fc.nat(8),
      (found, policy, settled, asked, reachable, files) => {
        const { do: what } = planDrift(view({ edits: found, policy, settled, asked, reachable, files }));
        if (found.length === 0) assert.equal(what, 'nothing');
        else assert.notEqual(what, 'nothing');
        if (!asked && (!settled || policy === 'report'))
          assert.ok(what === 'wait' || what === 'report' || what === 'nothing');
        if (what === 'adopt') assert.ok(policy === 'adopt' && reachable && found.some(isAdoptable));
        if (what === 'restore') assert.ok(asked || policy !== 'report');
      },
    ),
  );
});

test('an adopted edit is told as of the owners of what is there, and of the machine', () => {
  const made = [
    edit('a', { by: 'root' }),
    edit('b', { by: 'ann' }),
    edit('c', { what: 'missing' }),
    edit('d', { by: 'ann' }),
  ];
  assert.deepEqual(adoptedAs(made, 'web-3'), { author: 'ann+root@web-3', message: 'edited on web-3: a, b, c, d' });
  assert.equal(adoptedAs([edit('c', { what: 'missing' })], 'web-3').author, 'somebody@web-3');
  assert.match(
    adoptedAs(
      Array.from({ length: 9 }, (_, at) => edit(`f${at}`)),
      'x',
    ).message,
    /f4 and 4 more$/,
  );
  assert.doesNotMatch(adoptedAs([edit('t', { rendered: true }), edit('a')], 'x').message, /\bt\b/);
});

test('what is shown to the fleet is bounded', () => {
  assert.equal(driftStatus('clean', []), undefined);
  const many = Array.from({ length: 10_000 }, (_, at) => edit(`${'ü'.repeat(4000)}${at}`));
  const shown = driftStatus('reported', many, { detail: 'x'.repeat(100_000) }) as DriftStatus;
  assert.equal(shown.edits, 10_000);
  assert.ok(JSON.stringify(shown).length < 2000, String(JSON.stringify(shown).length));
});
