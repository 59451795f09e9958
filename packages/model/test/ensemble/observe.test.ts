import assert from 'node:assert/strict';
import test from 'node:test';
import {
  DEFAULT_CLUSTER,
  DEFAULT_PORTS,
  type EnsembleObservation,
  invitedOf,
  type MachineRecord,
  type MemberRecord,
  outdatedRecords,
  planEnsemble,
  viewOf,
} from '../../src/index.ts';

const machine = (number: number, more: Partial<MachineRecord> = {}): MachineRecord => ({
  format: 1,
  instance: `web-${number}`,
  incarnation: 'first',
  zone: 'abc'[number % 3]!,
  address: `10.0.0.${number}`,
  ports: DEFAULT_PORTS,
  member: { id: number, state: 'serving', mode: number === 1 ? 'leader' : 'follower' },
  ...more,
});

function record(id: number, more: Partial<MemberRecord> = {}): MemberRecord {
  const { member: _, ...holder } = machine(id);
  return { ...holder, id, ...more };
}

/** Three voters on three machines, with what is said otherwise. */
const seen = (more: Partial<EnsembleObservation> = {}): EnsembleObservation => ({
  version: '100',
  configured: [1, 2, 3].map((id) => ({ id, role: 'voter' })),
  records: [1, 2, 3].map((id) => record(id)),
  machines: [1, 2, 3].map((number) => machine(number)),
  leaving: new Set(),
  terminated: new Set(),
  silence: new Map(),
  behind: new Map(),
  settings: DEFAULT_CLUSTER,
  ...more,
});

test('members are who holds their ids, in sync when their own machines say that they serve', () => {
  const view = viewOf(seen());
  assert.deepEqual(
    view.config.members.map(({ id, instance, role, zone }) => [id, instance, role, zone]),
    [
      [1, 'web-1', 'voter', 'b'],
      [2, 'web-2', 'voter', 'c'],
      [3, 'web-3', 'voter', 'a'],
    ],
  );
  assert.deepEqual([...view.synced], [1, 2, 3]);
  assert.equal(view.leader, 1);
  assert.ok(planEnsemble(view).settled);
});

test('a machine that says otherwise is not in sync: another state, another mode, another data folder, another id', () => {
  const others: Partial<MachineRecord>[] = [
    { member: { id: 3, state: 'seeking' } },
    { member: { id: 3, state: 'serving', mode: 'read-only' } },
    { incarnation: 'second' },
    { member: { id: 2, state: 'serving', mode: 'follower' } },
    { member: undefined as never },
  ];
  for (const other of others)
    assert.deepEqual([...viewOf(seen({ machines: [machine(1), machine(2), machine(3, other)] })).synced], [1, 2]);
});

test('of those that leave, who ends soon says so itself', () => {
  const machines = [machine(1), machine(2, { ends: true }), machine(3, { ends: true })];
  assert.deepEqual([...viewOf(seen({ machines, leaving: new Set(['web-1', 'web-2']) })).ending!], ['web-2']);
});

test('silence becomes death after the time that is set, by the measure of whoever leads; a word of the cloud at once', () => {
  const gone = (more: Partial<EnsembleObservation>): string[] => [
    ...viewOf(seen({ machines: [machine(1), machine(2)], ...more })).gone,
  ];
  assert.deepEqual(gone({ silence: new Map([['web-3', DEFAULT_CLUSTER.deadAfter - 1]]) }), []);
  assert.deepEqual(gone({ silence: new Map([['web-3', DEFAULT_CLUSTER.deadAfter]]) }), ['web-3']);
  assert.deepEqual(gone({ terminated: new Set(['web-3']) }), ['web-3']);
});

test('an id in the configuration without a holder is nobody’s, and is taken out', () => {
  const view = viewOf(seen({ configured: [1, 2, 3, 4].map((id) => ({ id, role: id === 4 ? 'observer' : 'voter' })) }));
  assert.deepEqual([...view.gone], ['nobody-4']);
  assert.deepEqual(planEnsemble(view).step, { kind: 'remove', id: 4 });
});

test('a holder outside of the configuration is invited while it is there, and its id is nobody else’s', () => {
  const given = { records: [1, 2, 3, 4].map((id) => record(id)) };
  const there = [1, 2, 3, 4].map((number) => machine(number));
  assert.deepEqual(
    invitedOf(seen({ ...given, machines: there })).map(({ id }) => id),
    [4],
  );
  assert.deepEqual(invitedOf(seen(given)), []);
  assert.deepEqual([...viewOf(seen(given)).reserved], [4]);
  const left = { records: [...[1, 2, 3].map((id) => record(id)), record(4, { left: true })], machines: there };
  assert.deepEqual(invitedOf(seen(left)), []);
  assert.deepEqual([...viewOf(seen(left)).reserved], [4]);
});

test('a record goes when its holder is known to have given the id up, and not before', () => {
  const records = [...[1, 2, 3].map((id) => record(id)), record(4, { left: true })];
  const outdated = (fourth: MachineRecord[], more: Partial<EnsembleObservation> = {}): number[] =>
    outdatedRecords(seen({ records, machines: [...[1, 2, 3].map((number) => machine(number)), ...fourth], ...more }));
  assert.deepEqual(outdated([machine(4)]), []);
  assert.deepEqual(outdated([]), []);
  assert.deepEqual(outdated([], { silence: new Map([['web-4', 10_000]]) }), [4]);
  assert.deepEqual(outdated([machine(4, { incarnation: 'second' })]), [4]);
  assert.deepEqual(outdated([machine(4, { member: { id: 5, state: 'serving' } })]), [4]);
  assert.deepEqual(outdatedRecords(seen({ machines: [] })), [], 'what is in the configuration stays');
});

test('who has not come into sync in a minute is not waited for', () => {
  const late = (seconds: number): number[] => [...viewOf(seen({ behind: new Map([[3, seconds]]) })).late];
  assert.deepEqual(late(59), []);
  assert.deepEqual(late(60), [3]);
});

test('a machine that is to be made is waited for as long as a usual one takes to boot', () => {
  assert.equal(viewOf(seen({ missing: { count: 2, seconds: 299 } })).expected, 2);
  assert.equal(viewOf(seen({ missing: { count: 2, seconds: 300 } })).expected, undefined);
  assert.equal(viewOf(seen()).expected, undefined);
});
