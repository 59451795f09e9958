import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  parseConnectString,
  parseServer,
  rebalance,
  type Server,
  ServerList,
  serverName,
  shuffle,
} from '../src/servers.ts';
import { seeded } from './seeded.ts';

const named = (count: number, from = 0): Server[] =>
  Array.from({ length: count }, (_, index) => ({ host: `h${from + index}`, port: 2181 }));

test('a connect string names servers, ports and a chroot', () => {
  assert.deepEqual(parseConnectString('h1:1,h2,[::1]:3/a/b'), {
    servers: [
      { host: 'h1', port: 1 },
      { host: 'h2', port: 2181 },
      { host: '::1', port: 3 },
    ],
    chroot: '/a/b',
  });
  assert.equal(parseConnectString('h1/').chroot, '');
  assert.deepEqual(parseServer('fe80::1'), { host: 'fe80::1', port: 2181 });
  assert.equal(serverName({ host: '::1', port: 3 }), '[::1]:3');
});

test('a connect string that makes no sense is refused', () => {
  for (const text of ['', ',', '/a', 'h:x', 'h:0', 'h:65536', 'h1:1/a/', 'h1:1//', 'a b:1']) {
    assert.throws(() => parseConnectString(text), { code: 'BAD_ARGUMENTS' }, text);
  }
});

test('shuffling keeps every item and gives each the same chance to be first', () => {
  const random = seeded(1);
  const first = new Map<number, number>();
  for (let round = 0; round < 9_000; round++) {
    const shuffled = shuffle([1, 2, 3], random);
    assert.deepEqual([...shuffled].sort(), [1, 2, 3]);
    first.set(shuffled[0]!, (first.get(shuffled[0]!) ?? 0) + 1);
  }
  for (const times of first.values()) assert.ok(times > 2_800 && times < 3_200, String(times));
});

test('each round tries every server once, and is told', () => {
  const list = new ServerList(named(3), seeded(2));
  for (let round = 0; round < 4; round++) {
    const tried = [list.next(), list.next(), list.next()];
    assert.equal(new Set(tried.map(({ server }) => serverName(server))).size, 3);
    assert.deepEqual(new Set(tried.map((each) => each.round)), new Set([round]));
  }
  list.succeeded();
  assert.equal(list.next().round, 0);
});

test('a server that is busy is passed over, unless all are', () => {
  const list = new ServerList(named(3), seeded(4));
  const slow = list.next().server;
  for (let time = 0; time < 6; time++) assert.notEqual(list.next((server) => server === slow).server, slow);
  assert.ok(list.next(() => true).server);
});

test('when every server of a list that came later has failed, those that were given are tried too', () => {
  const list = new ServerList(named(2), seeded(5));
  list.replace(named(2, 7));
  const tried = Array.from({ length: 6 }, () => serverName(list.next().server));
  assert.deepEqual(new Set(tried.slice(0, 2)), new Set(['h7:2181', 'h8:2181']));
  assert.equal(new Set(tried).size, 4);
});

/** Clients per server after the list changed from `before` to `after`, all of which were spread evenly. */
function spread(before: Server[], after: Server[], clients: number): { counts: Map<string, number>; moved: number } {
  const random = seeded(3);
  const counts = new Map<string, number>();
  let moved = 0;
  for (let client = 0; client < clients; client++) {
    const current = before[client % before.length]!;
    const target = rebalance(before, after, current, random);
    if (target !== undefined) moved++;
    const server = target === undefined ? current : target[Math.floor(random() * target.length)]!;
    counts.set(serverName(server), (counts.get(serverName(server)) ?? 0) + 1);
  }
  return { counts, moved };
}

for (const [before, after, mayMove] of [
  [named(3), named(5), 0.4],
  [named(5), named(3), 0.4],
  [named(3), named(3, 2), 2 / 3],
  [named(4), named(3, 3), 0.75],
  [named(2), named(2, 2), 1],
  [named(3), named(3), 0],
] as const) {
  test(`clients stay spread evenly, and few move, when ${before.map(serverName)} become ${after.map(serverName)}`, () => {
    const clients = 30_000;
    const { counts, moved } = spread([...before], [...after], clients);
    for (const server of after) {
      const share = (counts.get(serverName(server)) ?? 0) / clients;
      assert.ok(Math.abs(share - 1 / after.length) < 0.02, `${serverName(server)} has ${share}`);
    }
    assert.equal(counts.size, after.length);
    assert.ok(moved / clients <= mayMove + 0.02, `${moved} of ${clients} moved`);
  });
}
