import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CREATOR_ALL, LeaderElection, Lock, op, type WatchEvent, ZooKeeper, ZooKeeperError } from '@quorate/zookeeper';
import { oldJars } from '../old-jars.ts';
import { TcpProxy } from '../proxy.ts';
import { Ensemble } from '../server.ts';
import { until, within } from '../until.ts';

const { folder: jars, reason: skip } = await oldJars();

/** What the client needs to be of use, on the oldest server that it is promised to work with. */
describe('a real server of ZooKeeper 3.5', { skip }, () => {
  let ensemble: Ensemble;
  let proxy: TcpProxy;
  let zk: ZooKeeper;
  let other: ZooKeeper;

  before(async () => {
    ensemble = await Ensemble.start({ jars });
    proxy = await TcpProxy.start(ensemble.members[0]!.ports.client);
    zk = await ZooKeeper.connect(proxy.address);
    other = await ZooKeeper.connect(ensemble.servers, { auth: [{ scheme: 'digest', auth: 'me:pw' }] });
  });
  after(async () => {
    await zk?.close();
    await other?.close();
    await proxy?.[Symbol.asyncDispose]();
    await ensemble?.[Symbol.asyncDispose]();
  });

  async function next(events: AsyncIterator<WatchEvent, undefined>): Promise<string> {
    const { value } = await within('an event', events.next());
    return value === undefined ? 'end' : `${value.type} ${value.path}`;
  }

  test('it is what it is said to be', async () => {
    assert.match(await ensemble.members[0]!.ask('srvr'), /Zookeeper version: 3\.5\.10/);
  });

  test('nodes of every mode, data, versions, children, ACLs, sync and the configuration', async () => {
    await zk.ensure('/ops/deep');
    const { stat } = await zk.create('/ops/a', 'one');
    assert.equal((await zk.set('/ops/a', 'two', { version: stat.version })).version, 1);
    await assert.rejects(zk.set('/ops/a', 'three', { version: 0 }), { code: 'BAD_VERSION' });
    assert.equal((await zk.get('/ops/a')).data.toString(), 'two');
    assert.equal((await zk.create('/ops/e', '', { mode: 'ephemeral' })).stat.ephemeralOwner, zk.session.id);
    for (const mode of ['persistent_sequential', 'ephemeral_sequential'] as const) {
      assert.match((await zk.create('/ops/s-', '', { mode, protected: true })).path, /s-\d{10}$/);
    }
    await zk.create('/ops/c', '', { mode: 'container' });
    await zk.create('/ops/t', '', { mode: 'persistent_with_ttl', ttl: 60_000 });
    assert.equal((await zk.children('/ops')).children.length, 7);
    await zk.delete('/ops/a');
    assert.equal(await zk.exists('/ops/a'), undefined);
    await other.create('/ops/own', '', { acl: CREATOR_ALL });
    await assert.rejects(zk.get('/ops/own'), { code: 'NO_AUTH' });
    await zk.sync('/ops');
    assert.equal((await zk.getConfig()).members.length, 1);
  });

  test('a transaction applies all or nothing, and tells which operation failed', async () => {
    await zk.ensure('/multi');
    const results = await zk.multi([op.check('/multi', 0), op.create('/multi/a'), op.set('/multi', 'x', 0)]);
    assert.deepEqual(
      results.map(({ type }) => type),
      ['check', 'create', 'set'],
    );
    const refused = zk.multi([op.create('/multi/b'), op.check('/multi', 0)]);
    await assert.rejects(refused, { code: 'BAD_VERSION', index: 1 });
    assert.deepEqual((await zk.children('/multi')).children, ['a']);
  });

  test('streams tell every kind of change, after a reconnect too; of changes between two looks the last is seen', async () => {
    await zk.ensure('/watched');
    const data = zk.watch('/watched');
    const children = zk.watch('/watched', { kind: 'children' });
    const absent = zk.watch('/watched/a', { kind: 'exists' });
    await zk.sync();
    await other.set('/watched', 'x');
    assert.equal(await next(data), 'changed /watched');
    await other.create('/watched/a');
    assert.equal(await next(children), 'children /watched');
    assert.equal(await next(absent), 'created /watched/a');
    await zk.sync();
    proxy.refuse();
    proxy.cut();
    await until('the loss is noticed', () => zk.state === 'connecting');
    await other.set('/watched', 'y');
    await other.delete('/watched/a');
    proxy.accept();
    assert.equal(await next(data), 'changed /watched');
    assert.equal(await next(children), 'children /watched');
    assert.equal(await next(absent), 'deleted /watched/a');
    const reading = (async () => {
      for await (const _ of data) if ((await zk.get('/watched')).data.toString() === 'last') return;
    })();
    for (let value = 0; value < 200; value++) await other.set('/watched', String(value));
    await other.set('/watched', 'last');
    await within('the last value', reading);
    await Promise.all([children.return?.(), absent.return?.()]);
  });

  test('what it is too old for fails with UNIMPLEMENTED; what is asked beside it is answered, and the session goes on', async () => {
    await zk.ensure('/old');
    const { id } = zk.session;
    const unknown: (() => Promise<unknown>)[] = [
      () => zk.multiRead([op.get('/old')]),
      () => zk.whoami(),
      () => zk.getEphemerals(),
      () => zk.allChildrenNumber('/old'),
      () => zk.watch('/old', { kind: 'persistent' }).next(),
      () => zk.watch('/old', { kind: 'persistent_recursive' }).next(),
    ];
    for (const call of unknown) {
      const beside = [zk.get('/old'), zk.exists('/old')];
      const refused = assert.rejects(within('the refusal', call()), { code: 'UNIMPLEMENTED' });
      await within('the others', Promise.all([...beside, zk.children('/old'), refused]));
    }
    assert.equal(zk.session.id, id);
  });

  test('a session is taken over, its ephemeral nodes with it, and a restart of the server is survived', {
    timeout: 60_000,
  }, async () => {
    const first = await ZooKeeper.connect(proxy.address, { sessionTimeout: 20_000 });
    await first.create('/mine', '', { mode: 'ephemeral' });
    proxy.refuse();
    await using heir = await ZooKeeper.connect(ensemble.servers, { sessionTimeout: 20_000, session: first.session });
    assert.equal((await heir.exists('/mine'))?.ephemeralOwner, heir.session.id);
    const closed = first.close();
    proxy.accept();
    await closed;
    await ensemble.members[0]!.kill();
    await until('the loss is noticed', () => heir.state === 'connecting');
    const reading = heir.exists('/mine');
    await ensemble.members[0]!.start();
    assert.equal((await within('the answer', reading))?.ephemeralOwner, heir.session.id);
    await until('all are back', () => zk.state === 'connected' && other.state === 'connected');
  });

  test('a lock and an election work', async () => {
    const held = await new Lock(zk, '/lock').acquire();
    const waiting = new Lock(other, '/lock').acquire();
    await until('the other waits', async () => (await new Lock(zk, '/lock').contenders()).length === 2);
    await held.release();
    await (await within('the lock', waiting)).release();
    const leading = await new LeaderElection(zk, '/election', 'a').lead();
    assert.deepEqual(await new LeaderElection(other, '/election', 'b').candidates(), ['a']);
    await leading.release();
    await assert.rejects(zk.get('/none'), (error) => error instanceof ZooKeeperError && error.code === 'NO_NODE');
  });
});
