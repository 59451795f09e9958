import assert from 'node:assert/strict';
import test from 'node:test';
import {
  admit,
  type FoundingRecord,
  type FoundingStep,
  type FoundingView,
  type PeerAnswer,
  type PeerServer,
  planFounding,
  planRecovery,
} from '../../src/index.ts';

const voters = (...ids: number[]): PeerServer[] => ids.map((id) => ({ id, role: 'voter', address: `10.0.0.${id}` }));

function machine(name: string, change: Partial<PeerAnswer> = {}): PeerAnswer {
  return {
    format: 1,
    instance: name,
    address: `10.0.0.${name.at(-1)}`,
    cluster: 'c',
    generation: 0,
    incarnation: `${name}/1`,
    ...change,
  };
}

/** A machine with the data of a stopped member. */
function holder(name: string, change: Partial<PeerAnswer['member']> = {}, state: Partial<PeerAnswer> = {}): PeerAnswer {
  const id = Number(name.at(-1));
  const member = {
    id,
    running: false,
    serving: false,
    epoch: 1,
    zxid: '0000000100000001',
    configVersion: '1',
    servers: voters(1, 2, 3),
  };
  return machine(name, { generation: 1, member: { ...member, ...change }, ...state });
}

function record(change: Partial<FoundingRecord> = {}): FoundingRecord {
  const founder = { instance: 'web-1', incarnation: 'web-1/1', address: '10.0.0.1' };
  const members = { 'web-1': 1, 'web-2': 1, 'web-3': 1 };
  return { format: 1, cluster: 'c', generation: 1, revision: 7, founder, state: 'founded', members, ...change };
}

function plan(own: PeerAnswer, change: Partial<FoundingView> & { record?: FoundingRecord } = {}): FoundingStep {
  const { record, ...view } = change;
  return planFounding({
    own,
    arbiter: { kind: 'shared', record },
    mayFound: true,
    peers: [],
    answers: [],
    session: false,
    ...view,
  });
}

const dead = (...names: string[]) =>
  names.map((instance) => ({ address: instance, instance, state: 'terminated' as const }));
const promised = { generation: 1, revision: 7 };

test('a machine without anything claims the founding, once, and only where it may', () => {
  assert.equal(plan(machine('web-1')).kind, 'claim');
  assert.equal(plan(machine('web-1'), { mayFound: false }).kind, 'wait');
  const hindered = plan(machine('web-1'), { hindered: 'Java was not found' });
  assert.deepEqual([hindered.kind, /Java was not found/.test(hindered.reason)], ['wait', true]);
  assert.equal(plan(machine('web-1'), { answers: [holder('web-2')] }).kind, 'join', 'somebody has data');
  assert.equal(plan(machine('web-1'), { arbiter: { kind: 'unknown' } }).kind, 'wait');
});

test('a founder starts alone, is confirmed when it serves, and begins again where it was interrupted', () => {
  const founding = record({ state: 'founding', members: {} });
  assert.equal(plan(machine('web-1'), { record: founding }).kind, 'found');
  assert.equal(plan(holder('web-1'), { record: founding }).kind, 'found', 'its configuration names others');
  assert.equal(plan(holder('web-1', { servers: voters(1) }), { record: founding }).kind, 'start');
  const step = plan(holder('web-1', { servers: voters(1), serving: true }), { record: founding });
  assert.ok(step.kind === 'confirm');
  assert.deepEqual([step.record.state, step.record.revision, step.record.members], ['founded', 8, { 'web-1': 1 }]);
});

test('a founder that is silent is waited for; one that is terminated, or has lost its disk, is not', () => {
  const founding = record({ state: 'founding', members: {} });
  assert.equal(plan(machine('web-2'), { record: founding }).kind, 'wait');
  for (const known of [{ peers: dead('web-1') }, { answers: [machine('web-1', { incarnation: 'web-1/2' })] }]) {
    const step = plan(machine('web-2'), { record: founding, ...known });
    assert.ok(step.kind === 'claim');
    assert.deepEqual([step.record.generation, step.record.founder.instance], [2, 'web-2']);
  }
});

test('a founding that was lost to another is set aside', () => {
  const other = record({ state: 'founding', founder: { instance: 'web-2', incarnation: 'web-2/1', address: '' } });
  assert.equal(plan(holder('web-1', { servers: voters(1) }), { record: other }).kind, 'renew');
});

test("where the operator is the arbiter, only the operator's word founds", () => {
  const arbiter = (record?: FoundingRecord) => ({ kind: 'static' as const, record });
  assert.equal(plan(machine('web-1'), { arbiter: arbiter() }).kind, 'wait');
  assert.equal(plan(machine('web-1'), { arbiter: arbiter(record({ state: 'founding' })) }).kind, 'found');
  assert.equal(plan(holder('web-1'), { arbiter: arbiter(record()) }).kind, 'start', 'that is done');
  const later = holder('web-1', {}, { generation: 2 });
  assert.equal(plan(later, { arbiter: arbiter(record({ state: 'founding' })) }).kind, 'start', 'that is long done');
});

test('a member of an older generation stays down, whoever tells of the newer one', () => {
  const old = holder('web-1');
  const newer = holder('web-2', {}, { generation: 2 });
  assert.match(
    plan(old, { record: record({ generation: 2, members: { 'web-1': 1, 'web-2': 2 } }) }).reason,
    /founded again/,
  );
  for (const known of [
    { arbiter: { kind: 'unknown' as const } },
    { arbiter: { kind: 'static' as const, record: undefined } },
  ]) {
    assert.equal(plan(old, known).kind, 'start');
    const step = plan(old, { ...known, answers: [newer] });
    assert.deepEqual([step.kind, /web-2 is of generation 2/.test(step.reason)], ['stay-down', true]);
  }
});

test('a member that has promised stays down while the arbiter is out of reach', () => {
  const own = holder('web-1', {}, { promised });
  assert.equal(plan(own, { arbiter: { kind: 'unknown' }, session: true }).kind, 'stay-down');
  assert.equal(
    plan(own, { record: record({ revision: 8 }), answers: [holder('web-2'), holder('web-3')] }).kind,
    'start',
  );
});

test('silence is never death: a lost majority is founded again only when the discovery says so', () => {
  const view = { record: record(), answers: [] };
  const silent = plan(holder('web-1'), { ...view, peers: [] });
  assert.deepEqual([silent.kind, /web-2, web-3 are silent/.test(silent.reason)], ['start', true]);
  assert.equal(plan(holder('web-1'), { ...view, peers: undefined }).kind, 'start');
  assert.equal(plan(holder('web-1'), { ...view, peers: dead('web-2') }).kind, 'start');
  assert.equal(plan(holder('web-1'), { ...view, peers: dead('web-2', 'web-3') }).kind, 'promise');
  const step = plan(holder('web-1', {}, { promised }), { ...view, peers: dead('web-2', 'web-3') });
  assert.ok(step.kind === 'claim');
  assert.match(step.reason, /2 of 3 voters are gone for good, and what only they had is lost/);
  assert.deepEqual([step.record.generation, step.record.members], [2, { 'web-1': 1 }]);
});

test('only who has most founds again, after all have promised; observers count', () => {
  const members = { ...record().members, 'web-4': 1 };
  const view = { record: record({ members }), peers: dead('web-2', 'web-3') };
  const own = holder('web-1', {}, { promised });
  const observer = holder('web-4', { zxid: '0000000100000009' });
  assert.match(plan(own, { ...view, answers: [observer] }).reason, /web-4 has not promised yet/);
  const ready = { ...observer, promised };
  assert.match(plan(own, { ...view, answers: [ready] }).reason, /web-4 has most/);
  assert.equal(plan(ready, { ...view, answers: [own] }).kind, 'claim');
  const later = holder('web-4', { epoch: 2, zxid: '0000000100000001' }, { promised });
  assert.equal(
    plan(later, { ...view, answers: [holder('web-1', { zxid: '0000000100000009' }, { promised })] }).kind,
    'claim',
  );
});

test('a promise is taken back when a majority is there after all', () => {
  const own = holder('web-1', {}, { promised });
  const step = plan(own, { record: record(), answers: [holder('web-2')] });
  assert.ok(step.kind === 'withdraw');
  assert.deepEqual(step.record, record({ revision: 8 }));
  assert.equal(plan(own, { record: record(), session: true }).kind, 'withdraw');
});

test('when nobody is left who had data, the ensemble is founded empty, and that is said', () => {
  const step = plan(machine('web-9'), { record: record(), peers: dead('web-1', 'web-2', 'web-3') });
  assert.ok(step.kind === 'claim');
  assert.match(step.reason, /no machine that had data is left.*archive/);
});

test('a machine that the discovery takes for dead does nothing, and says so', () => {
  const step = plan(holder('web-1'), { record: record(), peers: dead('web-1') });
  assert.deepEqual([step.kind, /says that this machine, web-1, is terminated/.test(step.reason)], ['stay-down', true]);
});

test('an arbiter of another cluster is told, and obeyed in nothing', () => {
  assert.match(plan(holder('web-1'), { record: record({ cluster: 'd' }) }).reason, /arbiter is of cluster d/);
});

test('a machine is entered before it is taken in, each time anew, and refused where the ensemble was founded again', () => {
  const own = { cluster: 'c', generation: 1, controller: record().founder, known: ['web-1', 'web-2'] };
  const first = admit(undefined, 'web-9', own, new Set());
  assert.ok('record' in first);
  assert.deepEqual(first.record.members, { 'web-1': 1, 'web-2': 1, 'web-9': 1 });
  const again = admit(record(), 'web-3', own, new Set(['web-2']));
  assert.ok('record' in again);
  assert.deepEqual([again.record.revision, again.record.members], [8, { 'web-1': 1, 'web-3': 1 }]);
  for (const other of [record({ generation: 2 }), record({ state: 'founding' }), record({ cluster: 'd' })])
    assert.ok('refusal' in admit(other, 'web-9', own, new Set()));
});

test('an operator is shown what each survivor has, who is best, what may be lost and what may go wrong', () => {
  const best = holder('web-2', { zxid: '0000000100000009' });
  const shown = planRecovery({
    own: holder('web-1', { servers: voters(1, 2, 3, 4, 5) }),
    answers: [{ ...best, member: { ...best.member!, servers: voters(1, 2, 3, 4, 5) } }],
    peers: [],
  });
  assert.deepEqual(
    shown.survivors.map(({ instance, role }) => [instance, role]),
    [
      ['web-2', 'voter'],
      ['web-1', 'voter'],
    ],
  );
  assert.deepEqual([shown.best, shown.generation, shown.voters], ['web-2', 2, 5]);
  assert.deepEqual(
    shown.silent.map(({ address }) => address),
    ['10.0.0.3', '10.0.0.4', '10.0.0.5'],
  );
  assert.match(shown.loss, /3 of 5 voters are silent/);
  assert.match(shown.danger!, /if they are alive somewhere/);
  assert.equal(shown.refusal, undefined);
});

test('what a machine said before it could notice that the majority is gone is told with its age, and looked at again', () => {
  const alone = (change: object) => planRecovery({ own: holder('web-1', change), answers: [], peers: [] });
  const said = alone({ serving: true, looked: 1_900 });
  assert.match(said.refusal!, /serves 1\.9 s ago, though the agents of only 1 of 3 voters answer/);
  assert.equal(said.unsettled, true);
  assert.match(alone({ serving: true }).refusal!, /when its agent looked last/);
  assert.equal(alone({ serving: false, looked: 100 }).refusal, undefined);
});

test('an operator is told when nothing is to be recovered, and when nothing can be', () => {
  const there = planRecovery({ own: holder('web-1'), answers: [holder('web-2')], peers: [] });
  assert.match(there.refusal!, /2 of 3 voters are there, a majority: start their agents/);
  const serving = planRecovery({ own: holder('web-1', { serving: true }), answers: [holder('web-2')], peers: [] });
  assert.match(serving.refusal!, /part of an ensemble that serves: there is nothing/);
  assert.ok(!serving.unsettled);
  const nothing = planRecovery({ own: machine('web-1'), answers: [], peers: [] });
  assert.match(nothing.refusal!, /restore a backup/);
  const half = planRecovery({ own: holder('web-1', { servers: voters(1, 2) }), answers: [], peers: [] });
  assert.match(half.loss, /nothing that was acknowledged is lost/);
});
