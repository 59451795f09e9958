import assert from 'node:assert/strict';
import test from 'node:test';
import { DEFAULT_CLUSTER, DEFAULT_PORTS, type InstanceStatus } from '@quorate/model';
import { behind, type Observation, type Present, unsettled, votersFor } from '../../lab/settled.ts';

const machines = (zones: string): Present[] => [...zones].map((zone, at) => ({ id: `web-${at + 1}`, zone }));

test('voters are odd, five at most, and no zone of three has a majority', () => {
  const counts: Readonly<Record<string, number>> = {
    a: 1,
    ab: 1,
    abc: 3,
    abca: 3,
    abcab: 5,
    abcabcabc: 5,
    aaaaabc: 3,
    aaa: 3,
    ab_: 3,
  };
  for (const [zones, voters] of Object.entries(counts)) assert.equal(votersFor(machines(zones)), voters, zones);
});

/** As everything is at rest on three machines. */
function atRest(): Observation {
  const there = machines('abc');
  const holders = there.map(({ id, zone }, at) => ({
    format: 1,
    id: at + 1,
    instance: id,
    incarnation: `of ${id}`,
    zone,
    address: `10.0.0.${at + 1}`,
    ports: DEFAULT_PORTS,
  }));
  return {
    configuration: {
      version: '1',
      members: holders.map(({ id, address }) => ({ id, role: 'voter', address, line: '' })),
    },
    plan: { format: 1, controller: 'web-1', settled: true, reason: '3 voters' },
    cluster: { format: 1, cluster: 'c', generation: 1, settings: DEFAULT_CLUSTER },
    records: holders,
    machines: holders.map(({ id, ...machine }) => ({ ...machine, member: { id, state: 'serving' } })),
    leaving: [],
    statuses: there.map(({ id }) => status(id, 7)),
    head: 7,
  };
}

function status(id: string, applied: number): InstanceStatus {
  const bundles = { app: { applied, digest: '', target: 7, state: 'applied' } } as const;
  return { format: 1, id, host: id, version: '1', bundles };
}

test('at rest nothing is amiss', () => {
  assert.deepEqual(unsettled(atRest(), machines('abc')), []);
  assert.deepEqual(behind(atRest(), 'app', machines('abc')), []);
});

const amiss: Readonly<Record<string, readonly [(seen: Observation) => Partial<Observation>, RegExp]>> = {
  'a plan that is not done': [
    ({ plan }) => ({ plan: { ...plan!, settled: false, reason: 'web-3 joins' } }),
    /web-1 is not done: web-3 joins/,
  ],
  'a voter too few': [
    ({ configuration: { members, version } }) => ({
      configuration: { version, members: members.map((one) => (one.id === 3 ? { ...one, role: 'observer' } : one)) },
    }),
    /2 voters for 3/,
  ],
  'a machine that is no member': [
    ({ configuration: { members, version } }) => ({ configuration: { version, members: members.slice(0, 2) } }),
    /web-3 is no member/,
  ],
  'a server that does not serve': [
    ({ machines: there }) => ({
      machines: there.map((one) => ({ ...one, member: { id: one.member!.id, state: 'seeking' } })),
    }),
    /web-1 is seeking/,
  ],
  'a machine with other data than its member had': [
    ({ machines: there }) => ({ machines: there.map((one) => ({ ...one, incarnation: 'new' })) }),
    /web-1 runs no member/,
  ],
  'a request to leave that stays': [() => ({ leaving: ['web-9'] }), /web-9 is still asked to leave/],
  'a status of a machine that is gone': [
    ({ statuses }) => ({ statuses: [...statuses, status('web-9', 1)] }),
    /web-9 still shows its status/,
  ],
};
for (const [what, [change, said]] of Object.entries(amiss)) {
  test(`it is noticed: ${what}`, () => {
    const seen = atRest();
    assert.match(unsettled({ ...seen, ...change(seen) }, machines('abc')).join('\n'), said);
  });
}

test('it is noticed: a member of a machine that is gone, a machine that is behind', () => {
  assert.match(unsettled(atRest(), machines('ab')).join('\n'), /web-3 is still a member/);
  assert.deepEqual(unsettled(atRest(), machines('ab'), [{ id: 'web-3', zone: 'c' }]), []);
  const seen = { ...atRest(), statuses: [status('web-1', 7), status('web-2', 6)] };
  assert.deepEqual(behind(seen, 'app', machines('abc')), [
    'web-2 is on release 6 of 7 (applied)',
    'web-3 does not tell of app',
  ]);
});
