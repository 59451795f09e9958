import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { FLEET_CALM_MS, FLEET_HOLD_MS, fleetOf, type SettledFleet, settledFleet, settleFleet } from '../src/index.ts';

const fleet = (...ids: string[]) => fleetOf(ids.map((id) => ({ id, host: id, tags: {} })));
const ids = ({ members }: SettledFleet): string => members.map(({ id }) => id).join();

/** Looks at the fleet as it is from the given ms on, each time when another look can change something. */
function play(start: SettledFleet, looks: readonly [at: number, ids: readonly string[]][], until: number) {
  let now = 0;
  let state = start;
  const told: [number, string][] = [];
  const look = (there: readonly string[]): number => {
    const { fleet: next, due } = settleFleet(state, fleet(...there), now);
    if (next.members !== state.members) told.push([now, ids(next)]);
    state = next;
    return due ?? Number.POSITIVE_INFINITY;
  };
  for (const [at, [from, there]] of looks.entries()) {
    const end = looks[at + 1]?.[0] ?? until;
    for (now = from; now < end; ) now += look(there);
  }
  return { state, told };
}

test('who comes is told after a moment, who leaves after a longer one', () => {
  const { told } = play(
    settledFleet(fleet('a')),
    [
      [0, ['a', 'b']],
      [5000, ['b']],
    ],
    60_000,
  );
  assert.deepEqual(told, [
    [FLEET_HOLD_MS.came, 'a,b'],
    [5000 + FLEET_HOLD_MS.left, 'b'],
  ]);
});

test('who is away for a moment, as while its agent starts again, never left', () => {
  const { told } = play(
    settledFleet(fleet('a', 'b')),
    [
      [0, ['a']],
      [9000, ['a', 'b']],
      [12_000, ['a']],
      [20_000, ['a', 'b']],
    ],
    60_000,
  );
  assert.deepEqual(told, []);
});

test('those that start together are told together', () => {
  const { told } = play(settledFleet(fleet('a')), [[0, ['a', 'b', 'c', 'd']]], 60_000);
  assert.deepEqual(told, [[FLEET_HOLD_MS.came, 'a,b,c,d']]);
});

test('an instance that goes up and down reloads the others ever more seldom, and is believed again once it is calm', () => {
  const flapping: [number, string[]][] = [];
  for (let at = 0; at < 1_200_000; at += 60_000) flapping.push([at, ['a']], [at + 30_000, ['a', 'b']]);
  const { told, state } = play(settledFleet(fleet('a', 'b')), flapping, 1_200_000);
  assert.ok(told.length <= 4, JSON.stringify(told));
  const calm = settleFleet(state, fleet('a', 'b'), 1_200_000 + FLEET_CALM_MS).fleet;
  const gone = settleFleet(calm, fleet('a'), 2_000_000);
  assert.ok(gone.due! <= FLEET_HOLD_MS.left * 2);
});

test('what stays as it is, is told in the end', () => {
  const some = fc.subarray(['a', 'b', 'c', 'd']);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(40_000), some), { maxLength: 20 }), some, (past, last) => {
      let at = 0;
      const looks = past.map(([pause, there]): [number, string[]] => {
        at += pause + 1;
        return [at, there];
      });
      const { state } = play(settledFleet(fleet('a')), [...looks, [at + 1, last]], at + 1_000_000);
      assert.equal(ids(state), last.join());
    }),
  );
});

test('another address is told as a change', () => {
  const before = settledFleet(fleetOf([{ id: 'a', host: 'a', address: '10.0.0.1', tags: {} }]));
  const seen = fleetOf([{ id: 'a', host: 'a', address: '10.0.0.2', tags: {} }]);
  const { fleet: doubting, due } = settleFleet(before, seen, 0);
  assert.equal(doubting.members, before.members);
  assert.deepEqual(settleFleet(doubting, seen, due!).fleet.members, seen);
});
