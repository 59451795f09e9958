import assert from 'node:assert/strict';
import test from 'node:test';
import {
  DEFAULT_CLUSTER,
  DEFAULT_PORTS,
  type MemberRecord,
  type MembershipView,
  planMembership,
} from '../../src/index.ts';

const record = (id: number, more: Partial<MemberRecord> = {}): MemberRecord => ({
  format: 1,
  id,
  instance: 'web-1',
  incarnation: 'first',
  zone: 'a',
  address: '10.0.0.1',
  ports: DEFAULT_PORTS,
  ...more,
});

function view(more: Partial<Omit<MembershipView, 'identity'>> & { id?: number; generation?: number }): MembershipView {
  const { id, generation = 1, ...rest } = more;
  return {
    instance: 'web-1',
    identity: { cluster: 'c', generation, incarnation: 'first', ...(id === undefined ? {} : { id }) },
    cluster: { format: 1, cluster: 'c', generation: 1, settings: DEFAULT_CLUSTER },
    records: [],
    configured: new Set(),
    ...rest,
  };
}

const CASES: [string, Parameters<typeof view>[0], string, RegExp][] = [
  ['a machine without an id is a client', {}, 'wait', /client/],
  ['one that was given an id joins', { records: [record(4)] }, 'join', /4 was given/],
  ['an id of its former data is not its own', { records: [record(4, { incarnation: 'older' })] }, 'wait', /client/],
  ['an id that was taken out is not taken up', { records: [record(4, { left: true })] }, 'wait', /client/],
  ['a member runs', { id: 4, records: [record(4)], configured: new Set([4]) }, 'run', /is a member/],
  ['one that is invited runs too', { id: 4, records: [record(4)] }, 'run', /invited/],
  [
    '"my id is not in the peer list" (zookeeper-operator#448): who was taken out begins anew',
    { id: 4, records: [record(4, { left: true })] },
    'renew',
    /was taken out/,
  ],
  ['also when its record is gone', { id: 4 }, 'renew', /while this machine was away/],
  [
    'and when its id is another one’s by now (zookeeper-operator#513)',
    { id: 4, records: [record(4, { instance: 'web-9' })], configured: new Set([4]) },
    'renew',
    /while this machine was away/,
  ],
  [
    'two controllers gave it two ids',
    { id: 4, records: [record(4), record(5)], configured: new Set([5]) },
    'renew',
    /two server ids/,
  ],
  [
    'an older generation stays down and its data is set aside',
    { id: 4, cluster: { format: 1, cluster: 'c', generation: 2, settings: DEFAULT_CLUSTER } },
    'renew',
    /founded again \(generation 2\)/,
  ],
  [
    'an ensemble of an older generation is not followed',
    { id: 4, generation: 3, records: [record(4)], configured: new Set([4]) },
    'wait',
    /older/,
  ],
  [
    "another cluster's ensemble is not joined",
    { cluster: { format: 1, cluster: 'd', generation: 1, settings: DEFAULT_CLUSTER } },
    'wait',
    /of cluster d/,
  ],
  ['before the founding is complete the founder runs on', { id: 1, cluster: undefined }, 'run', /being founded/],
  ['and the others wait', { cluster: undefined }, 'wait', /not founded yet/],
];

for (const [what, sketch, kind, reason] of CASES) {
  test(what, () => {
    const decision = planMembership(view(sketch));
    assert.equal(decision.kind, kind);
    assert.match(decision.reason, reason);
  });
}
