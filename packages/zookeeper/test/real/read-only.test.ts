import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type State, ZooKeeper } from '@quorate/zookeeper';
import { Ensemble, type Member, reasonToSkip } from '../server.ts';
import { until } from '../until.ts';

/** Servers of 3.9 grant sessions without a quorum only where local sessions are on. */
const READ_ONLY = {
  members: 3,
  properties: { 'readonlymode.enabled': 'true' },
  config: ['localSessionsEnabled=true', 'localSessionsUpgradingEnabled=true'],
};

describe('read-only mode of real members', { skip: reasonToSkip }, () => {
  test('without a quorum a client that asked for it reads, is told NOT_READ_ONLY for writes, and comes back with its session', {
    timeout: 90_000,
  }, async () => {
    const options = { sessionTimeout: 30_000, readOnly: true };
    await using ensemble = await Ensemble.start(READ_ONLY);
    await using zk = await ZooKeeper.connect(ensemble.servers, options);
    const states: State[] = [];
    void (async () => {
      for await (const state of zk.states()) states.push(state);
    })();
    await zk.create('/kept', 'kept');
    // Makes the local session a global one, which any server takes.
    await zk.create('/kept/e', '', { mode: 'ephemeral' });
    const { id } = zk.session;
    const [first, second, third] = ensemble.members as [Member, Member, Member];
    await Promise.all([first.kill(), second.kill()]);
    await until('it is read-only', () => zk.state === 'read-only', 60_000);
    assert.equal(zk.server, third.address);
    assert.equal((await zk.get('/kept')).data.toString(), 'kept');
    await assert.rejects(zk.set('/kept', 'x'), { code: 'NOT_READ_ONLY', ambiguous: false });

    await using late = await ZooKeeper.connect(ensemble.servers, options);
    assert.equal(late.state, 'read-only');
    assert.equal((await late.get('/kept')).data.toString(), 'kept');
    const refused = ZooKeeper.connect(ensemble.servers, { connectTimeout: 1_000 });
    await assert.rejects(refused, { code: 'CONNECT_TIMEOUT' });

    await Promise.all([first.start(), second.start()]);
    await until('both can write again', () => zk.state === 'connected' && late.state === 'connected', 60_000);
    assert.equal(zk.session.id, id);
    assert.equal((await zk.exists('/kept/e'))?.ephemeralOwner, id);
    await zk.set('/kept', 'written');
    await late.sync();
    assert.equal((await late.get('/kept')).data.toString(), 'written');
    assert.equal(states.at(-1), 'connected');
    assert.ok(states.includes('read-only'));
  });

  test('a read-only server that grants no session is told apart from one that is gone', {
    timeout: 60_000,
  }, async () => {
    await using ensemble = await Ensemble.start({ members: 2, properties: READ_ONLY.properties });
    const [first, second] = ensemble.members as [Member, Member];
    await first.kill();
    await second.serving(['read-only']);
    const refused = ZooKeeper.connect(second.address, { readOnly: true, connectTimeout: 1_000 });
    await assert.rejects(refused, { code: 'CONNECT_TIMEOUT', message: /NOT_READ_ONLY/ });
  });
});
