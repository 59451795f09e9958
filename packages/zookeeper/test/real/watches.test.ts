import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type WatchEvent, type WatchKind, ZooKeeper } from '@quorate/zookeeper';
import { TcpProxy } from '../proxy.ts';
import { Ensemble, reasonToSkip } from '../server.ts';
import { until, within } from '../until.ts';

describe('watches on a real server', { skip: reasonToSkip }, () => {
  let ensemble: Ensemble;
  let proxy: TcpProxy;
  /** The client under test, through the proxy. */
  let zk: ZooKeeper;
  /** Another client, which makes the changes. */
  let other: ZooKeeper;
  let count = 0;

  before(async () => {
    ensemble = await Ensemble.start();
    proxy = await TcpProxy.start(ensemble.members[0]!.ports.client);
    zk = await ZooKeeper.connect(proxy.address);
    other = await ZooKeeper.connect(ensemble.servers);
  });
  after(async () => {
    await zk?.close();
    await other?.close();
    await proxy?.[Symbol.asyncDispose]();
    await ensemble?.[Symbol.asyncDispose]();
  });

  async function node(): Promise<string> {
    const path = `/watched-${count++}`;
    await other.create(path);
    return path;
  }

  async function next(events: AsyncIterator<WatchEvent, undefined>): Promise<string> {
    const { value } = await within('an event', events.next());
    return value === undefined ? 'end' : `${value.type} ${value.path}`;
  }

  /** Breaks the connection, changes things meanwhile, and lets the client back in. */
  async function whileCut(change: () => Promise<unknown>): Promise<void> {
    proxy.refuse();
    proxy.cut();
    await until('the loss is noticed', () => zk.state === 'connecting');
    await change();
    proxy.accept();
    await until('it is back', () => zk.state === 'connected');
  }

  /** Whether the server holds a watch of any client; it does not tell of children watches. */
  async function serverWatches(path: string): Promise<boolean> {
    return (await ensemble.members[0]!.ask('wchp')).split('\n').includes(path);
  }

  test('a data watch tells every kind of change, again and again, with its transaction', async () => {
    const path = await node();
    await using events = zk.watch(path);
    await zk.sync();
    const stat = await other.set(path, '1');
    assert.deepEqual(await events.next(), { value: { type: 'changed', path, zxid: stat.mzxid }, done: false });
    await other.set(path, '2');
    assert.equal(await next(events), `changed ${path}`);
    await other.delete(path);
    assert.equal(await next(events), `deleted ${path}`);
    await other.create(path);
    assert.equal(await next(events), `created ${path}`);
    await other.delete(path);
    assert.equal(await next(events), `deleted ${path}`);
  });

  test('a watch of a node that does not exist tells its creation, for every kind', async () => {
    for (const kind of ['data', 'exists', 'children', 'persistent', 'persistent_recursive'] as const) {
      const path = `/later-${kind}`;
      await using events = zk.watch(path, { kind });
      await zk.sync();
      await other.create(path);
      assert.equal(await next(events), `created ${path}`);
      await other.delete(path);
      assert.equal(await next(events), `deleted ${path}`);
    }
  });

  test('a children watch tells changes of the set of children, not of data', async () => {
    const path = await node();
    await using events = zk.watch(path, { kind: 'children' });
    await zk.sync();
    await other.set(path, 'data');
    await other.create(`${path}/a`);
    assert.equal(await next(events), `children ${path}`);
    await other.set(`${path}/a`, 'data');
    await other.delete(`${path}/a`);
    assert.equal(await next(events), `children ${path}`);
    await other.delete(path);
    assert.equal(await next(events), `deleted ${path}`);
  });

  test('what is read after an event was read after the watch was set: the last value is always seen', async () => {
    const path = await node();
    const events = zk.watch(path);
    const reading = (async () => {
      for await (const _ of events) if ((await zk.get(path)).data.toString() === 'last') return;
    })();
    for (let value = 0; value < 500; value++) await other.set(path, String(value));
    await other.set(path, 'last');
    await within('the last value', reading);
  });

  test('a deletion or creation that falls between an event and the next watch is told', async () => {
    const path = await node();
    await using events = zk.watch(path);
    await zk.sync();
    for (let round = 0; round < 50; round++) {
      await other.set(path, 'x');
      await other.delete(path);
      const seen: string[] = [];
      while (!seen.at(-1)?.startsWith('deleted')) seen.push(await next(events));
      await other.create(path);
      while (!seen.at(-1)?.startsWith('created') && !seen.at(-1)?.startsWith('changed')) seen.push(await next(events));
    }
  });

  test('a persistent watch tells every change of one node and its children, in order', async () => {
    const path = await node();
    await using events = zk.watch(path, { kind: 'persistent' });
    await zk.sync();
    await other.set(path, '1');
    await other.set(path, '2');
    await other.create(`${path}/a`);
    await other.create(`${path}/a/b`);
    await other.delete(`${path}/a/b`);
    await other.delete(`${path}/a`);
    await other.delete(path);
    const expected = ['changed', 'changed', 'children', 'children', 'deleted'];
    for (const type of expected) assert.equal(await next(events), `${type} ${path}`);
  });

  test('a recursive watch tells every change of every node below, in order', async () => {
    const path = await node();
    await using events = zk.watch(path, { kind: 'persistent_recursive' });
    await zk.sync();
    const stat = (await other.create(`${path}/a`)).stat;
    await other.create(`${path}/a/b`);
    await other.set(`${path}/a/b`, 'x');
    await other.delete(`${path}/a/b`);
    await other.set(path, 'x');
    assert.deepEqual((await events.next()).value, { type: 'created', path: `${path}/a`, zxid: stat.czxid });
    assert.equal(await next(events), `created ${path}/a/b`);
    assert.equal(await next(events), `changed ${path}/a/b`);
    assert.equal(await next(events), `deleted ${path}/a/b`);
    assert.equal(await next(events), `changed ${path}`);
  });

  test('a recursive watch of the root tells of every node there is', async () => {
    await using events = zk.watch('/', { kind: 'persistent_recursive' });
    await zk.sync();
    const path = await node();
    await other.create(`${path}/a`);
    assert.equal(await next(events), `created ${path}`);
    assert.equal(await next(events), `created ${path}/a`);
  });

  test('events and replies come in the order of the server: a read that shows a change comes after its event', async () => {
    const path = await node();
    const order: string[] = [];
    await using events = zk.watch(path, { kind: 'persistent' });
    const following = (async () => {
      for await (const _ of events) order.push('event');
    })();
    await zk.sync();
    for (let value = 0; value < 100; value++) {
      const before = order.length;
      await Promise.all([zk.set(path, String(value)), zk.get(path).then(() => order.push('read'))]);
      assert.deepEqual(order.slice(before), ['event', 'read']);
    }
    await events.return?.();
    await following;
  });

  test('many watches of one path each get every event, and leave one by one', async () => {
    const path = await node();
    const streams = Array.from({ length: 10 }, () => zk.watch(path));
    await zk.sync();
    await other.set(path, '1');
    for (const events of streams) assert.equal(await next(events), `changed ${path}`);
    for (const events of streams.slice(1)) await events.return?.();
    await other.set(path, '2');
    assert.equal(await next(streams[0]!), `changed ${path}`);
    await streams[0]!.return?.();
    await until('the server holds none', async () => !(await serverWatches(path)));
  });

  test('a watch that is left, by break, by its signal or by dispose, is removed from the server', async () => {
    for (const kind of ['data', 'exists', 'persistent', 'persistent_recursive'] as const) {
      const path = await node();
      const stop = new AbortController();
      const events = zk.watch(path, { kind, signal: stop.signal });
      await until('the server holds it', () => serverWatches(path));
      stop.abort();
      assert.equal(await next(events), 'end');
      await until('the server holds none', async () => !(await serverWatches(path)));
    }
    const path = await node();
    {
      await using _ = zk.watch(path);
      await until('the server holds it', () => serverWatches(path));
    }
    await until('the server holds none', async () => !(await serverWatches(path)));
  });

  test('leaving one kind of watch leaves the other kinds of the same path alone', async () => {
    const path = await node();
    const data = zk.watch(path);
    await using children = zk.watch(path, { kind: 'children' });
    await zk.sync();
    await data.return?.();
    await zk.sync();
    await other.create(`${path}/a`);
    assert.equal(await next(children), `children ${path}`);
  });

  test('removeWatches ends every stream of the path; without one it says NO_WATCHER', async () => {
    const path = await node();
    const kinds: WatchKind[] = ['data', 'children', 'persistent'];
    const streams = kinds.map((kind) => zk.watch(path, { kind }));
    await zk.sync();
    await zk.removeWatches(path);
    for (const events of streams) assert.equal(await next(events), 'end');
    await until('the server holds none', async () => !(await serverWatches(path)));
    await assert.rejects(zk.removeWatches(path), { code: 'NO_WATCHER' });
  });

  test('a listener given with a read is called once, also for a node that appears', async () => {
    const path = await node();
    const seen: string[] = [];
    const watch = ({ type }: WatchEvent) => seen.push(type);
    await zk.get(path, { watch });
    await zk.children(path, { watch });
    await zk.exists(`${path}/a`, { watch });
    await other.create(`${path}/a`);
    await other.set(path, '1');
    await other.set(path, '2');
    await other.create(`${path}/b`);
    await zk.sync();
    await zk.get(path);
    assert.deepEqual(seen.sort(), ['changed', 'children', 'created']);
  });

  test('each kind of watch tells after a reconnect what changed while the connection was cut', async () => {
    const paths = await Promise.all(Array.from({ length: 6 }, () => node()));
    const [set, gone, parent, persistent, tree] = paths as [string, string, string, string, string];
    await other.create(`${tree}/old`);
    await other.create(`${tree}/deep`);
    await other.create(`${tree}/deep/deeper`);
    const absent = `${paths[5]}/absent`;
    const kinds = [undefined, undefined, 'children', 'persistent', 'persistent_recursive', 'exists'] as const;
    const streams = [set, gone, parent, persistent, tree, absent].map((path, index) => {
      const kind = kinds[index];
      return zk.watch(path, kind === undefined ? {} : { kind });
    });
    await zk.sync();
    await whileCut(async () => {
      await other.set(set, 'x');
      await other.delete(gone);
      await other.create(`${parent}/a`);
      await other.set(persistent, 'x');
      await other.create(`${persistent}/a`);
      await other.delete(`${tree}/old`);
      await other.create(`${tree}/new`);
      await other.set(`${tree}/deep/deeper`, 'x');
      await other.create(absent);
    });
    assert.equal(await next(streams[0]!), `changed ${set}`);
    assert.equal(await next(streams[1]!), `deleted ${gone}`);
    assert.equal(await next(streams[2]!), `children ${parent}`);
    assert.deepEqual(
      [await next(streams[3]!), await next(streams[3]!)],
      [`changed ${persistent}`, `children ${persistent}`],
    );
    const found = new Set([await next(streams[4]!), await next(streams[4]!), await next(streams[4]!)]);
    assert.deepEqual(found, new Set([`children ${tree}`, `created ${tree}/new`, `changed ${tree}/deep/deeper`]));
    assert.equal(await next(streams[5]!), `created ${absent}`);
    for (const events of streams) await events.return?.();
  });

  test('after a reconnect without changes no watch tells anything, and each still works', async () => {
    const path = await node();
    const kinds: WatchKind[] = ['data', 'children', 'persistent', 'persistent_recursive', 'exists'];
    const streams = kinds.map((kind) => zk.watch(path, { kind }));
    const absent = zk.watch(`${path}-absent`, { kind: 'persistent' });
    await zk.sync();
    await whileCut(async () => {});
    await zk.sync();
    await other.delete(path);
    for (const events of streams) assert.equal(await next(events), `deleted ${path}`);
    await other.create(`${path}-absent`);
    assert.equal(await next(absent), `created ${path}-absent`);
    for (const events of [...streams, absent]) await events.return?.();
  });

  test('a watch asked for while the connection is cut is set when it is back', async () => {
    const path = await node();
    let events: ReturnType<typeof zk.watch> | undefined;
    await whileCut(async () => {
      events = zk.watch(path);
    });
    await zk.sync();
    await other.set(path, 'x');
    assert.equal(await next(events!), `changed ${path}`);
    await events!.return?.();
  });

  test('thousands of watches, more than one request holds, are all set again', { timeout: 60_000 }, async () => {
    const parent = await node();
    const names = Array.from({ length: 3_000 }, (_, index) => `${parent}/${'long-name-'.repeat(10)}${index}`);
    await Promise.all(names.map((name) => other.create(name)));
    const streams = names.map((name) => zk.watch(name));
    await zk.sync();
    await whileCut(() => Promise.all(names.slice(0, 1_500).map((name) => other.set(name, 'x'))));
    await zk.sync();
    await Promise.all(names.slice(1_500).map((name) => other.set(name, 'x')));
    for (const [index, events] of streams.entries()) assert.equal(await next(events), `changed ${names[index]}`);
    await Promise.all(streams.map((events) => events.return?.()));
  });

  test('changes while the connection is cut again and again are never lost', { timeout: 60_000 }, async () => {
    const path = await node();
    await using data = zk.watch(path);
    await using tree = zk.watch(path, { kind: 'persistent_recursive' });
    await zk.sync();
    const seen = { data: '', tree: '' };
    const follow = async (name: 'data' | 'tree', events: AsyncIterable<WatchEvent>) => {
      for await (const _ of events) {
        seen[name] = (await zk.get(path)).data.toString();
        if (seen[name] === 'last') return;
      }
    };
    const following = [follow('data', data), follow('tree', tree)];
    for (let round = 0; round < 30; round++) {
      await other.set(path, String(round));
      proxy.cut();
      await other.set(path, `${round}, after the cut`);
      await until('the change is seen', () => seen.data.endsWith('cut') && seen.tree.endsWith('cut'));
    }
    await other.set(path, 'last');
    await within('the last value', Promise.all(following));
  });

  test('a stream returns after close, and throws what else ended the session, once', async () => {
    const path = await node();
    const closing = await ZooKeeper.connect(ensemble.servers);
    const kinds: WatchKind[] = ['data', 'children', 'persistent'];
    const ended = kinds.map((kind) => closing.watch(path, { kind }));
    const waiting = ended.map((events) => events.next());
    await closing.close();
    for (const event of waiting) assert.equal((await event).done, true);
    await assert.rejects(
      closing
        .watch(path)
        .next()
        .then(({ done }) => done === true && Promise.reject(new Error('ended'))),
      /ended/,
    );

    const failing = await ZooKeeper.connect(ensemble.servers);
    const thrown = kinds.map((kind) => failing.watch(path, { kind }));
    await failing.sync();
    await failing.addAuth('nonsense', '').catch(() => {});
    for (const events of thrown) {
      await assert.rejects(events.next(), { code: 'AUTH_FAILED' });
      assert.equal((await events.next()).done, true);
    }
  });

  test('a watch without the right to read ends with NO_AUTH', async () => {
    const path = await node();
    await using owner = await ZooKeeper.connect(ensemble.servers, { auth: [{ scheme: 'digest', auth: 'a:b' }] });
    await owner.setAcl(path, [{ permissions: 31, scheme: 'auth', id: '' }]);
    await assert.rejects(zk.watch(path, { kind: 'children' }).next(), { code: 'NO_AUTH' });
  });
});
