import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type State, type WatchEvent, ZooKeeper } from '@quorate/zookeeper';
import { TcpProxy } from '../proxy.ts';
import { Ensemble, type Member, reasonToSkip } from '../server.ts';
import { until, within } from '../until.ts';

const AUTH = [{ scheme: 'digest', auth: 'super:secret' }];

describe('an ensemble of three real members', { skip: reasonToSkip }, () => {
  let ensemble: Ensemble;

  before(async () => {
    ensemble = await Ensemble.start({ members: 3 });
  });
  after(async () => {
    await ensemble?.[Symbol.asyncDispose]();
  });

  function memberOf(zk: ZooKeeper): Member {
    return ensemble.members.find((member) => member.address === zk.server)!;
  }

  test('a killed server is left for another; ephemerals, watches and the session stay', {
    timeout: 60_000,
  }, async () => {
    await using zk = await ZooKeeper.connect(ensemble.servers, { sessionTimeout: 20_000 });
    await using other = await ZooKeeper.connect(ensemble.servers, { sessionTimeout: 20_000 });
    await zk.create('/failover', '0');
    await zk.create('/failover/e', '', { mode: 'ephemeral' });
    const events = zk.watch('/failover');
    const tree = zk.watch('/failover', { kind: 'persistent_recursive' });
    await zk.sync();
    const { id } = zk.session;
    const killed = memberOf(zk);
    await killed.kill();
    await until('the change is made', () => other.set('/failover', '1').catch(() => undefined));
    assert.equal((await within('the event', events.next())).value?.type, 'changed');
    assert.equal((await within('the event', tree.next())).value?.type, 'changed');
    await until('another server is found', () => zk.state === 'connected');
    assert.notEqual(zk.server, killed.address);
    assert.equal(zk.session.id, id);
    assert.equal((await zk.exists('/failover/e'))?.ephemeralOwner, id);
    await killed.start();
  });

  test('while leaders are killed in turn, no acknowledged write is lost and none is applied twice', {
    timeout: 120_000,
  }, async () => {
    await using zk = await ZooKeeper.connect(ensemble.servers, { sessionTimeout: 20_000 });
    await zk.create('/counter', '0');
    const stop = new AbortController();
    let acknowledged = 0;
    let ambiguous = 0;
    const writing = (async () => {
      while (!stop.signal.aborted) {
        const { data, stat } = await zk.get('/counter');
        const value = Number(data);
        assert.ok(
          value >= acknowledged && value <= acknowledged + ambiguous,
          `${value}, ${acknowledged}, ${ambiguous}`,
        );
        acknowledged = value;
        ambiguous = 0;
        try {
          await zk.set('/counter', String(value + 1), { version: stat.version });
          acknowledged = value + 1;
        } catch (error) {
          const { code } = error as { code: string };
          assert.ok(code === 'CONNECTION_LOSS' || code === 'BAD_VERSION', code);
          ambiguous = 1;
        }
      }
    })();
    for (let round = 0; round < 2; round++) {
      const leader = await ensemble.leader();
      const before = acknowledged;
      await leader.kill();
      await until('writes go on', () => acknowledged > before + 50);
      await leader.start();
    }
    stop.abort();
    await writing;
    assert.ok(acknowledged > 100);
  });

  test('a server that is stopped (SIGSTOP) is left for another within the session', { timeout: 60_000 }, async () => {
    await using zk = await ZooKeeper.connect(ensemble.servers, { sessionTimeout: 6_000 });
    await zk.create('/stopped', '', { mode: 'ephemeral' });
    const { id } = zk.session;
    const stopped = memberOf(zk);
    stopped.pause();
    try {
      const reading = zk.get('/stopped');
      await within('the answer of another server', reading);
      assert.notEqual(zk.server, stopped.address);
      assert.equal(zk.session.id, id);
    } finally {
      stopped.resume();
    }
    await stopped.serving();
  });

  test('a stop of the whole ensemble, shorter than the session, is survived', { timeout: 60_000 }, async () => {
    await using zk = await ZooKeeper.connect(ensemble.servers, { sessionTimeout: 30_000 });
    const { id } = zk.session;
    await Promise.all(ensemble.members.map((member) => member.kill()));
    await until('the loss is noticed', () => zk.state === 'connecting');
    const waiting = zk.create('/after-the-stop', '', { mode: 'ephemeral' });
    await Promise.all(ensemble.members.map((member) => member.start()));
    await within('the answer', waiting);
    assert.equal(zk.session.id, id);
  });

  test('sync lets a read through another server see an acknowledged write', async () => {
    const clients = await Promise.all(ensemble.members.map((member) => ZooKeeper.connect(member.address)));
    const [writer, ...readers] = clients as [ZooKeeper, ...ZooKeeper[]];
    await writer.create('/synced', '');
    for (let value = 0; value < 30; value++) {
      await writer.set('/synced', String(value));
      for (const reader of readers) {
        const [, read] = await Promise.all([reader.sync('/synced'), reader.get('/synced')]);
        assert.equal(read.data.toString(), String(value));
      }
    }
    await Promise.all(clients.map((client) => client.close()));
  });

  test('a session that moved to another server is refused on the first one: nothing of it is applied there, and both see who has it', {
    timeout: 60_000,
  }, async () => {
    const [first, second] = ensemble.members as [Member, Member];
    await using proxy = await TcpProxy.start(first.ports.client);
    const old = await ZooKeeper.connect(proxy.address, { sessionTimeout: 20_000 });
    await old.create('/moved', 'before');
    await old.create('/moved/e', '', { mode: 'ephemeral' });
    proxy.hold('both');
    const late = old.set('/moved', 'by the old connection');
    await using heir = await ZooKeeper.connect(second.address, { sessionTimeout: 20_000, session: old.session });
    await heir.set('/moved', 'by the heir');
    proxy.refuse();
    proxy.release();
    await assert.rejects(within('the refusal', late), ({ code, ambiguous }) => {
      return code === 'SESSION_MOVED' || (code === 'CONNECTION_LOSS' && ambiguous);
    });
    await heir.sync('/moved');
    assert.equal((await heir.get('/moved')).data.toString(), 'by the heir');
    assert.equal((await heir.exists('/moved/e'))?.ephemeralOwner, heir.session.id);
    await until('the old one has noticed', () => old.state === 'connecting');
    await old.close();
    assert.equal((await heir.exists('/moved/e'))?.ephemeralOwner, heir.session.id);
  });

  test('members join and leave by reconfig; a client that follows the configuration moves along', {
    timeout: 90_000,
  }, async () => {
    await using zk = await ZooKeeper.connect(ensemble.servers, { auth: AUTH, sessionTimeout: 20_000 });
    const [first] = ensemble.members as [Member];
    await using follower = await ZooKeeper.connect(first.address, { followConfig: true, sessionTimeout: 20_000 });
    const { id } = follower.session;
    await until('it knows all three', () => follower.servers.length === 3);
    const told: WatchEvent[] = [];
    await using inner = await ZooKeeper.connect(`${ensemble.servers}/a/chroot`);
    assert.equal((await inner.getConfig({ watch: (event) => told.push(event) })).members.length, 3);

    const joiner = await ensemble.add();
    joiner.configure([...ensemble.members.slice(0, 3).map((member) => member.line()), joiner.line('observer')]);
    joiner.launch();
    const { version } = await zk.getConfig();
    const joining = joiner.line('observer');
    const after = await until('the observer is taken', () =>
      zk.reconfig({ joining, fromConfig: version }).catch((error) => {
        if (error.code !== 'NEW_CONFIG_NO_QUORUM' && error.code !== 'RECONFIG_IN_PROGRESS') throw error;
        return undefined;
      }),
    );
    assert.deepEqual([after.members.length, after.members.find((each) => each.id === 4)?.role], [4, 'observer']);
    assert.ok(after.version > version);
    await assert.rejects(zk.reconfig({ leaving: [4], fromConfig: version }), { code: 'BAD_VERSION' });
    await joiner.serving(['observer']);
    await until('a listener is told, whatever its chroot', () => told.length === 1);
    assert.deepEqual([told[0]!.type, told[0]!.path], ['changed', '/zookeeper/config']);
    await until('the follower knows the observer', () => follower.servers.includes(joiner.address));

    const states: State[] = [];
    void (async () => {
      for await (const state of follower.states()) states.push(state);
    })();
    const leaving = memberOf(follower);
    // The one that the follower is connected to leaves; its client moves while the server still runs.
    const target = ensemble.members.filter((member) => member !== leaving).map((member) => member.line());
    const lines = target.map((line) => (line === joiner.line() ? joiner.line('participant') : line));
    await until('it has left', () => zk.reconfig({ newMembers: lines }).catch(() => undefined));
    await until('the follower has moved', () => follower.server !== undefined && follower.server !== leaving.address);
    assert.equal(follower.session.id, id);
    assert.ok(!follower.servers.includes(leaving.address));
    assert.equal(follower.servers.length, 3);
    assert.deepEqual(states.slice(0, 2), ['connecting', 'connected']);
    await follower.get('/');
  });
});
