import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { DEFAULT_CLUSTER, DEFAULT_PORTS, type MemberRecord } from '@quorate/model';
import { reasonToSkip, Ensemble as Servers } from '../../../zookeeper/test/server.ts';
import { openStore } from '../../src/index.ts';

const skip = reasonToSkip ?? false;
let servers: Servers;
before(async () => {
  if (!skip) servers = await Servers.start();
});
after(async () => {
  if (!skip) await servers[Symbol.asyncDispose]();
});

const CLUSTER = { format: 1, cluster: 'a-cluster', generation: 1, settings: DEFAULT_CLUSTER };

function member(id: number, instance: string): MemberRecord {
  const address = `10.0.0.${id}`;
  return { format: 1, id, instance, incarnation: `data-${id}`, zone: 'a', address, ports: DEFAULT_PORTS };
}

test('a machine hears at once of what concerns it, and is left in peace for a while by what concerns others', {
  skip,
}, async (t) => {
  await using store = await openStore(`zk://${servers.servers}/quorate`);
  const ensemble = store.ensemble!;
  await ensemble.found(CLUSTER, member(1, 'founder'));
  const stop = new AbortController();
  const asker: { instance: string; id: number | undefined } = { instance: 'me', id: undefined };
  const changes = ensemble.changes({ signal: stop.signal, asker })[Symbol.asyncIterator]();
  await changes.next();
  let next = changes.next();
  const concerns = async (work: Promise<unknown>): Promise<void> => {
    await work;
    await next;
    next = changes.next();
  };
  const isElsewhere = async (work: Promise<unknown>): Promise<void> => {
    await work;
    // one round for the event, one for the record that is looked at for it
    for (let round = 0; round < 2; round++) await ensemble.members();
    const first = await Promise.race([next.then(() => 'heard'), ensemble.members().then(() => 'nothing')]);
    assert.equal(first, 'nothing');
  };
  t.mock.timers.enable({ apis: ['setTimeout'] }); // what is told late is told never
  await isElsewhere(ensemble.assign(member(2, 'other')));
  await concerns(ensemble.assign(member(3, 'me')));
  asker.id = 3;
  await isElsewhere(ensemble.retire(member(2, 'other')));
  await isElsewhere(ensemble.release(2));
  await isElsewhere(ensemble.askToLeave('other'));
  await concerns(ensemble.askToLeave('me'));
  await concerns(ensemble.release(3));
  await concerns(ensemble.found({ ...CLUSTER, generation: 2 }, member(1, 'founder')));
  t.mock.timers.reset();
  stop.abort();
  await next;
});

test('what concerns others is told some seconds later, several as one', { skip }, async (t) => {
  await using store = await openStore(`zk://${servers.servers}/late`);
  const ensemble = store.ensemble!;
  await ensemble.found(CLUSTER, member(1, 'founder'));
  const stop = new AbortController();
  const asker = { instance: 'me', id: undefined };
  const changes = ensemble.changes({ signal: stop.signal, asker })[Symbol.asyncIterator]();
  await changes.next();
  const late = changes.next();
  t.mock.timers.enable({ apis: ['setTimeout'] });
  for (const id of [2, 3, 4]) await ensemble.assign(member(id, 'other'));
  for (let round = 0; round < 2; round++) await ensemble.members();
  t.mock.timers.tick(10_000);
  await late;
  const again = changes.next();
  for (let round = 0; round < 2; round++) await ensemble.members();
  t.mock.timers.tick(10_000);
  const first = await Promise.race([again.then(() => 'heard'), ensemble.members().then(() => 'nothing')]);
  assert.equal(first, 'nothing');
  t.mock.timers.reset();
  stop.abort();
  await again;
});

test('who leads shares a fleet of thousands', { skip }, async () => {
  await using store = await openStore(`zk://${servers.servers}/large`);
  const ensemble = store.ensemble!;
  await ensemble.found(CLUSTER, member(1, 'founder'));
  for (const count of [10_000, 1000]) {
    const instances = Array.from({ length: count }, (_, at) => ({
      instance: `i-${String(at).padStart(17, '0')}`,
      address: `10.100.${at >> 8}.${at & 255}`,
      zone: 'a',
      state: 'live' as const,
      lifeCycle: 'InService',
    }));
    const fleet = { format: 1, by: 'founder', groups: [{ name: 'web', desired: count }], instances };
    await ensemble.tellFleet(fleet);
    assert.deepEqual(await ensemble.fleet(), fleet);
  }
});
