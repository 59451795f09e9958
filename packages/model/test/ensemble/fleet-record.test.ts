import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFleet, encodeFleet, type FleetInstance, type FleetRecord } from '../../src/index.ts';

const LIFE_CYCLES = [
  'InService',
  'InService',
  'InService',
  'InService',
  'Pending:Wait',
  'Terminating:Wait',
  'Warmed:Stopped',
];

/** Machines as a busy fleet has them. */
const fleetOf = (count: number): FleetRecord => ({
  format: 1,
  by: 'i-0123456789abcdef0',
  groups: [{ name: 'web', desired: count }],
  instances: Array.from(
    { length: count },
    (_, at): FleetInstance => ({
      instance: `i-${(0x123456789abcd + at * 7919).toString(16).padStart(17, '0')}`,
      ...(at % 50 === 0 ? {} : { address: `10.100.${at >> 8}.${at & 255}` }),
      zone: `eu-central-1${'abc'[at % 3]}`,
      ...(at % 40 === 1 ? {} : { state: at % 40 === 2 ? 'terminated' : 'live' }),
      ...(at % 40 === 2 ? {} : { lifeCycle: LIFE_CYCLES[at % LIFE_CYCLES.length]! }),
    }),
  ),
});
const sorted = ({ instances, ...record }: FleetRecord): FleetRecord => ({
  ...record,
  instances: instances.toSorted((a, b) => (a.instance < b.instance ? -1 : 1)),
});

test('what is known of each machine is the same after it was written and read', () => {
  for (const count of [0, 1, 1000]) assert.deepEqual(sorted(decodeFleet(encodeFleet(fleetOf(count)))), fleetOf(count));
});

test("a thousand machines take a twentieth of what ZooKeeper's nodes hold, ten thousand less than half", () => {
  const most = 1024 * 1024;
  assert.ok(encodeFleet(fleetOf(1000)).byteLength < most / 20);
  assert.ok(encodeFleet(fleetOf(10_000)).byteLength < most / 2);
});

test('a record of another shape is refused with its place', () => {
  for (const instances of ['[{"instance":"i-1"}]', '[{"of":[["i-1","a","b"]]}]', '[{"of":[[]]}]', '[{"of":[["",""]]}]'])
    assert.throws(() => decodeFleet(`{"format":1,"by":"i-1","groups":[],"instances":${instances}}`), {
      code: 'BAD_RECORD',
      message: /the fleet's record: instances\.0/,
    });
});
