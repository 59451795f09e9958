import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { type Hold, LeaderElection, Lock, TreeCache, ZooKeeper } from '@quorate/zookeeper';
import { TcpProxy } from '../proxy.ts';
import { Ensemble, reasonToSkip } from '../server.ts';
import { until, within } from '../until.ts';

const TIMEOUT = 2_000;

describe('recipes on a real server', { skip: reasonToSkip }, () => {
  let ensemble: Ensemble;
  let proxy: TcpProxy;
  let zk: ZooKeeper;
  let other: ZooKeeper;
  let path: string;
  let count = 0;

  before(async () => {
    ensemble = await Ensemble.start();
  });
  after(async () => {
    await ensemble?.[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    proxy = await TcpProxy.start(ensemble.members[0]!.ports.client);
    zk = await ZooKeeper.connect(proxy.address, { sessionTimeout: TIMEOUT });
    other = await ZooKeeper.connect(ensemble.servers);
    path = `/recipe-${count++}`;
  });
  afterEach(async () => {
    await zk.close();
    await other.close();
    await proxy[Symbol.asyncDispose]();
  });

  test('a lock has one holder at a time, in the order of arrival, with a growing token', async () => {
    const order: number[] = [];
    const tokens: bigint[] = [];
    let holders = 0;
    const enter = async (index: number) => {
      await using held = await new Lock(index % 2 === 0 ? zk : other, path, String(index)).acquire();
      assert.equal(++holders, 1);
      order.push(index);
      tokens.push(held.token);
      await zk.sync();
      holders--;
    };
    const first = await new Lock(zk, path, 'first').acquire();
    const entering: Promise<void>[] = [];
    for (let index = 0; index < 8; index++) {
      entering.push(enter(index));
      await until('it stands in line', async () => (await new Lock(zk, path).contenders()).length === index + 2);
    }
    assert.deepEqual(await new Lock(zk, path).contenders(), ['first', '0', '1', '2', '3', '4', '5', '6', '7']);
    await first.release();
    await Promise.all(entering);
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(
      tokens,
      [...tokens].sort((a, b) => (a < b ? -1 : 1)),
    );
    assert.deepEqual((await zk.children(path)).children, []);
  });

  test('a wait for a lock that is given up leaves the line, and the next one is not held up', async () => {
    const held = await new Lock(zk, path).acquire();
    const stop = new AbortController();
    const given = new Lock(other, path, 'gives up').acquire({ signal: stop.signal });
    await until('it waits', async () => (await new Lock(zk, path).contenders()).length === 2);
    const next = new Lock(other, path, 'next').acquire();
    await until('both wait', async () => (await new Lock(zk, path).contenders()).length === 3);
    stop.abort();
    await assert.rejects(given, { code: 'ABORTED' });
    await assert.rejects(new Lock(zk, path).acquire({ signal: AbortSignal.abort() }), { code: 'ABORTED' });
    await held.release();
    await (await within('the next one', next)).release();
    await until('the line is empty', async () => (await zk.children(path)).children.length === 0);
  });

  test('a wait that is given up without a connection ends at once, and leaves the line when there is one', async () => {
    await using held = await new Lock(other, path).acquire();
    const stop = new AbortController();
    const waiting = new Lock(zk, path).acquire({ signal: stop.signal });
    await until('it waits', async () => (await other.children(path)).children.length === 2);
    proxy.refuse();
    proxy.cut();
    await until('the loss is noticed', () => zk.state === 'connecting');
    stop.abort();
    await assert.rejects(within('its end', waiting, 500), { code: 'ABORTED' });
    proxy.accept();
    await until('it has left', async () => (await other.children(path)).children.length === 1);
    assert.equal(zk.state, 'connected');
    assert.equal(held.signal.aborted, false);
  });

  test('a holder whose connection is lost is told before the lock can be given to another', async () => {
    const held = await new Lock(zk, path).acquire();
    const waiting = new Lock(other, path).acquire();
    let toldFirst: boolean | undefined;
    const told = new Promise<void>((resolve) => held.signal.addEventListener('abort', () => resolve()));
    const taken = waiting.then((next) => {
      toldFirst = held.signal.aborted;
      return next;
    });
    proxy.hold();
    await within('the holder is told', told);
    assert.equal(held.signal.reason.code, 'LOCK_LOST');
    const next = await within('the next holder', taken);
    assert.equal(toldFirst, true);
    await next.release();
    proxy.release();
  });

  test('a lock survives a short loss of the connection, and one whose node is deleted is lost', async () => {
    const held = await new Lock(zk, path).acquire();
    proxy.refuse();
    proxy.cut();
    await until('the loss is noticed', () => zk.state === 'connecting');
    proxy.accept();
    await until('it is back', () => zk.state === 'connected');
    await zk.sync();
    assert.equal(held.signal.aborted, false);
    await other.delete(held.path);
    await until('the holder is told', () => held.signal.aborted);
    assert.match(held.signal.reason.message, /deleted/);
    await held.release();
  });

  test('a lock is lost when its client closes, and one that waits is rejected', async () => {
    const held = await new Lock(zk, path).acquire();
    const waiting = new Lock(zk, path).acquire();
    await until('it waits', async () => (await new Lock(other, path).contenders()).length === 2);
    await Promise.all([zk.close(), assert.rejects(waiting, { code: 'CLOSED' })]);
    await until('the holder is told', () => held.signal.aborted);
    await held.release();
    assert.deepEqual((await other.children(path)).children, []);
  });

  test('entering the line is not doubled when the connection is lost in between', async () => {
    await zk.ensure(path);
    for (let round = 0; round < 5; round++) {
      proxy.hold('replies');
      const entering = new Lock(zk, path).acquire();
      proxy.release();
      await until('it stands in line', async () => (await other.children(path)).children.length > 0);
      proxy.cut();
      const held = await within('the lock', entering);
      assert.equal((await other.children(path)).children.length, 1);
      await held.release();
    }
  });

  test('one candidate leads; when it vanishes the next one does, and observers are told', async () => {
    const leaders: (string | undefined)[] = [];
    const stop = new AbortController();
    const observing = (async () => {
      for await (const leader of new LeaderElection(other, path, '').leaders({ signal: stop.signal }))
        leaders.push(leader);
    })();
    const a = await ZooKeeper.connect(ensemble.servers);
    const leading = await new LeaderElection(a, path, 'a').lead();
    const elections = ['b', 'c'].map((name) => new LeaderElection(zk, path, name));
    const next: Promise<Hold>[] = [];
    for (const [index, election] of elections.entries()) {
      next.push(election.lead());
      await until('it stands', async () => (await election.candidates()).length === index + 2);
    }
    assert.deepEqual(await elections[0]!.candidates(), ['a', 'b', 'c']);
    await until('a is seen', () => leaders.at(-1) === 'a');
    await a.close();
    await until('a is told', () => leading.signal.aborted);
    const b = await within('b leads', next[0]!);
    await until('b is seen', () => leaders.at(-1) === 'b');
    await b.release();
    const c = await within('c leads', next[1]!);
    assert.ok(c.token > b.token);
    await until('c is seen', () => leaders.at(-1) === 'c');
    await c.release();
    await until('nobody is seen', () => leaders.at(-1) === undefined);
    stop.abort();
    await observing;
  });

  /** The whole tree as the server has it. */
  async function tree(at: string): Promise<Record<string, string>> {
    const { children } = await other.children(at);
    const own = { [at]: (await other.get(at)).data.toString() };
    const below = await Promise.all(children.map((name) => tree(`${at}/${name}`)));
    return Object.assign(own, ...below);
  }

  function cached(cache: TreeCache): Record<string, string> {
    return Object.fromEntries(cache.paths().map((at) => [at, cache.get(at)!.data.toString()]));
  }

  const sorted = (record: Record<string, string>) => JSON.stringify(Object.entries(record).sort());

  test('a tree cache holds the whole tree and follows every change', async () => {
    await other.ensure(`${path}/a/b/c`);
    await other.set(`${path}/a`, 'A');
    await using cache = await TreeCache.open(zk, path);
    assert.equal(sorted(cached(cache)), sorted(await tree(path)));
    assert.deepEqual(cache.children(`${path}/a`), ['b']);
    assert.equal(cache.get(`${path}/none`), undefined);
    assert.equal(cache.children(`${path}/none`), undefined);
    const changes = cache.changes();
    await other.create(`${path}/new`, 'N');
    assert.deepEqual(summary(await changes.next()), ['added', `${path}/new`, 'N']);
    await other.set(`${path}/new`, 'M');
    assert.deepEqual(summary(await changes.next()), ['updated', `${path}/new`, 'M']);
    await other.delete(`${path}/a/b/c`);
    assert.deepEqual(summary(await changes.next()), ['removed', `${path}/a/b/c`, '']);
    assert.deepEqual(cache.children(path)?.sort(), ['a', 'new']);
    await changes.return?.();
  });

  function summary({ value }: IteratorResult<{ type: string; path: string; node: { data: Buffer } }, undefined>) {
    return value === undefined ? [] : [value.type, value.path, value.node.data.toString()];
  }

  test('a tree cache of a root that comes and goes', async () => {
    await using cache = await TreeCache.open(zk, path);
    assert.equal(cache.size, 0);
    for (let round = 0; round < 2; round++) {
      await other.create(path);
      await other.create(`${path}/a`);
      await until('it is seen', () => cache.size === 2);
      await other.delete(`${path}/a`);
      await other.delete(path);
      await until('it is gone', () => cache.size === 0);
    }
  });

  test('a tree cache is right again after any number of cut connections', { timeout: 60_000 }, async () => {
    await other.create(path);
    await using cache = await TreeCache.open(zk, path);
    for (let round = 0; round < 20; round++) {
      if (round % 3 === 0) proxy.cut();
      const top = `${path}/${round % 5}`;
      if (await other.exists(top)) {
        await other.delete(`${top}/x`).catch(() => {});
        if (round % 3 === 1) proxy.cut();
        await other.delete(top);
      } else {
        await other.create(top, String(round));
        if (round % 3 === 2) proxy.cut();
        await other.create(`${top}/x`);
        await other.set(`${top}/x`, String(round));
      }
      const expected = sorted(await tree(path));
      await until(`the cache follows, round ${round}`, () => sorted(cached(cache)) === expected);
    }
  });

  test('a tree cache ends with its session, and says how', async () => {
    await other.create(path);
    const cache = await TreeCache.open(zk, path);
    const changes = cache.changes();
    const waiting = changes.next();
    await zk.addAuth('nonsense', '').catch(() => {});
    await assert.rejects(waiting, { code: 'AUTH_FAILED' });
    assert.equal(((await cache.closed) as { code: string }).code, 'AUTH_FAILED');
    const closing = await TreeCache.open(other, path);
    const ending = closing.changes().next();
    await closing.close();
    assert.equal((await ending).done, true);
    assert.equal(await closing.closed, undefined);
    assert.equal((await closing.changes().next()).done, true);
  });
});
