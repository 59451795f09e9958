import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { op, type State, ZooKeeper } from '@quorate/zookeeper';
import { freePorts } from '../ports.ts';
import { TcpProxy } from '../proxy.ts';
import { Ensemble, type Member, reasonToSkip } from '../server.ts';
import { until, within } from '../until.ts';

const TIMEOUT = 3_000;

/** One turn of the event loop: what was asked for is written by then. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('sessions with a real server', { skip: reasonToSkip }, () => {
  let ensemble: Ensemble;
  let member: Member;
  let proxy: TcpProxy;
  let zk: ZooKeeper;
  let other: ZooKeeper;
  let path: string;
  let count = 0;

  before(async () => {
    ensemble = await Ensemble.start();
    member = ensemble.members[0]!;
    other = await ZooKeeper.connect(ensemble.servers, {
      sessionTimeout: 30_000,
      outageLimit: Number.POSITIVE_INFINITY,
    });
  });
  after(async () => {
    await other?.close();
    await ensemble?.[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    proxy = await TcpProxy.start(member.ports.client);
    zk = await ZooKeeper.connect(proxy.address, { sessionTimeout: TIMEOUT });
    path = `/session-${count++}`;
    await other.create(path, 'before');
  });
  afterEach(async () => {
    await zk.close();
    await proxy[Symbol.asyncDispose]();
  });

  function statesOf(client: ZooKeeper): State[] {
    const states: State[] = [];
    void (async () => {
      for await (const state of client.states()) states.push(state);
    })();
    return states;
  }

  async function lose(): Promise<void> {
    proxy.refuse();
    proxy.cut();
    await until('the loss is noticed', () => zk.state === 'connecting');
  }

  test('a session tells its id, password and granted time-out, and the server of the moment', async () => {
    assert.equal(zk.state, 'connected');
    assert.ok(zk.session.id !== 0n);
    assert.equal(zk.session.password.length, 16);
    assert.equal(zk.session.timeout, TIMEOUT);
    assert.equal(zk.server, proxy.address);
    await using long = await ZooKeeper.connect(ensemble.servers, { sessionTimeout: 10_000_000 });
    assert.equal(long.session.timeout, 60_000);
  });

  test('a cut connection is replaced, the session goes on, and every state is told in order', async () => {
    const { id } = zk.session;
    const states = statesOf(zk);
    const { stat } = await zk.create(`${path}/e`, '', { mode: 'ephemeral' });
    for (let round = 0; round < 3; round++) {
      await lose();
      assert.equal(zk.server, undefined);
      assert.equal(zk.lastError?.code, 'CONNECTION_LOSS');
      proxy.accept();
      await until('it is back', () => zk.state === 'connected');
    }
    assert.equal(zk.session.id, id);
    assert.equal((await zk.exists(`${path}/e`))?.czxid, stat.czxid);
    await zk.close();
    assert.deepEqual(states, [...Array(3).fill(['connecting', 'connected']), 'closed'].flat());
  });

  test('calls made without a connection wait for it and are sent in order', async () => {
    await lose();
    const order: string[] = [];
    const calls = [
      zk.set(path, 'while away').then(() => order.push('set')),
      zk.get(path).then(({ data }) => order.push(data.toString())),
      zk.delete(path).then(() => order.push('delete')),
    ];
    proxy.accept();
    await Promise.all(calls);
    assert.deepEqual(order, ['set', 'while away', 'delete']);
  });

  test('a call that waits for a connection is aborted by its signal, and is not sent later', async () => {
    await lose();
    const stop = new AbortController();
    const waiting = zk.set(path, 'never', { signal: stop.signal });
    stop.abort();
    await assert.rejects(waiting, { code: 'ABORTED', ambiguous: false });
    proxy.accept();
    assert.equal((await zk.get(path)).data.toString(), 'before');
  });

  test('thousands of calls given up while there is no connection leave nothing behind', async () => {
    await lose();
    for (let round = 0; round < 50; round++) {
      const stop = new AbortController();
      const calls = Array.from({ length: 100 }, () => zk.get(path, { signal: stop.signal }));
      stop.abort();
      const outcomes = await Promise.allSettled(calls);
      assert.ok(outcomes.every(({ status }) => status === 'rejected'));
    }
    proxy.accept();
    await zk.get(path);
  });

  test('reads that were lost in flight are asked again; a write is ambiguous, and was applied here', async () => {
    proxy.hold('replies');
    const reads = [
      zk.get(path),
      zk.exists(path),
      zk.children('/'),
      zk.getAcl(path),
      zk.sync(),
      zk.multi([op.check(path)]),
    ];
    const writes = [
      zk.set(path, 'lost'),
      zk.create(`${path}-new`),
      zk.multi([op.set(path, 'lost too')]),
      zk.setAcl(path, [{ permissions: 31, scheme: 'world', id: 'anyone' }]),
      zk.delete(`${path}-new`),
    ];
    const outcomes = Promise.allSettled(writes);
    await until('the writes are applied', async () => (await other.getAcl(path)).stat.aversion === 1);
    proxy.cut();
    proxy.release();
    await Promise.all(reads);
    for (const outcome of await outcomes) {
      assert.ok(outcome.status === 'rejected');
      const { code, ambiguous, message } = outcome.reason;
      assert.deepEqual([code, ambiguous], ['CONNECTION_LOSS', true]);
      assert.match(message, /may have been applied/);
    }
    assert.equal((await zk.get(path)).data.toString(), 'lost too');
  });

  test('a write that never reached the server is ambiguous too, for nobody can tell', async () => {
    proxy.hold('both');
    const writing = zk.set(path, 'never arrives');
    await turn();
    proxy.cut();
    proxy.release();
    await assert.rejects(writing, { code: 'CONNECTION_LOSS', ambiguous: true });
    assert.equal((await zk.get(path)).data.toString(), 'before');
  });

  for (const [name, options] of [
    ['an ephemeral create', { mode: 'ephemeral' }],
    ['a protected sequential create', { mode: 'persistent_sequential', protected: true }],
    ['a protected ephemeral sequential create', { mode: 'ephemeral_sequential', protected: true }],
    ['a protected create', { protected: true }],
  ] as const) {
    test(`${name} that was lost after it was applied is found, not doubled`, async () => {
      proxy.hold('replies');
      const creating = zk.create(`${path}/n-`, 'x', options);
      await until('it is applied', async () => (await other.children(path)).children.length === 1);
      proxy.cut();
      proxy.release();
      const { path: created, stat } = await creating;
      assert.deepEqual((await zk.children(path)).children, [created.slice(path.length + 1)]);
      assert.deepEqual(await zk.exists(created), stat);
    });

    test(`${name} that was lost before it was applied is done again`, async () => {
      proxy.hold('both');
      const creating = zk.create(`${path}/n-`, 'x', options);
      await turn();
      proxy.cut();
      proxy.release();
      const { path: created } = await creating;
      assert.deepEqual((await zk.children(path)).children, [created.slice(path.length + 1)]);
    });
  }

  test("an ephemeral create that was lost is not taken for another client's node of that name", async () => {
    proxy.hold('both');
    const creating = zk.create(`${path}/e`, 'mine', { mode: 'ephemeral' });
    await other.create(`${path}/e`, 'theirs');
    proxy.cut();
    proxy.release();
    await assert.rejects(creating, { code: 'NODE_EXISTS' });
  });

  test('an ephemeral create that was lost is not taken for an older node of this session', async () => {
    await zk.create(`${path}/e`, 'older', { mode: 'ephemeral' });
    proxy.hold('replies');
    const creating = zk.create(`${path}/e`, 'newer', { mode: 'ephemeral' });
    const marker = zk.create(`${path}/marker`, '', { mode: 'ephemeral' });
    await until('the server is past it', () => other.exists(`${path}/marker`));
    proxy.cut();
    proxy.release();
    await assert.rejects(creating, { code: 'NODE_EXISTS' });
    await marker;
  });

  test('a connection that breaks in the middle of a frame, at any byte, loses no session and mixes up no reply', async () => {
    await other.set(path, 'x'.repeat(100));
    for (let bytes = 0; bytes < 260; bytes += 13) {
      proxy.limit(bytes);
      const reads = Array.from({ length: 4 }, (_, index) => (index % 2 === 0 ? zk.get(path) : zk.exists(path)));
      await until('it breaks or all is read', async () => {
        const rest = await Promise.race([Promise.all(reads), until('the cut', () => zk.state !== 'connected')]);
        return rest !== undefined;
      });
      proxy.limit(Number.POSITIVE_INFINITY);
      const answers = await within('the answers', Promise.all(reads));
      for (const answer of answers) {
        const stat = answer !== undefined && 'data' in answer ? answer.stat : answer;
        assert.equal(stat?.dataLength, 100);
      }
    }
  });

  test('a reply that trickles in byte by byte is put together', async () => {
    await other.set(path, Buffer.alloc(5_000, 3));
    proxy.trickle(7);
    const { data } = await zk.get(path);
    assert.deepEqual(data, Buffer.alloc(5_000, 3));
  });

  test('what a session authenticated with is given again on every connection, also what came while there was none', async () => {
    const auth = (name: string) => ({ scheme: 'digest', auth: `${name}:pw` });
    await using owner = await ZooKeeper.connect(proxy.address, { auth: [auth('first')], sessionTimeout: TIMEOUT });
    await owner.addAuth('digest', 'second:pw');
    proxy.refuse();
    proxy.cut();
    await until('the loss is noticed', () => owner.state === 'connecting');
    const adding = owner.addAuth('digest', 'third:pw');
    const reading = owner.whoami();
    proxy.accept();
    await adding;
    const users = (await reading).filter(({ scheme }) => scheme === 'digest').map(({ user }) => user);
    assert.deepEqual(users.sort(), ['first', 'second', 'third']);
  });

  test('an ensemble that has lost what the client has seen takes no session of it: that is told in time, as expiry', {
    timeout: 60_000,
  }, async () => {
    await using wiped = await Ensemble.start();
    const [server] = wiped.members as [Member];
    await using before = await ZooKeeper.connect(wiped.servers, { sessionTimeout: TIMEOUT });
    for (let write = 0; write < 20; write++) await before.create(`/write-${write}`);
    await server.kill();
    rmSync(join(server.folder, 'data/version-2'), { recursive: true });
    const reading = before.exists('/write-0');
    await server.start();
    await assert.rejects(within('its end', reading, 3 * TIMEOUT), { code: 'SESSION_EXPIRED' });
    assert.match((await before.closed)!.message, /no server was reached/);
    await using after = await ZooKeeper.connect(wiped.servers);
    assert.equal(await after.exists('/write-0'), undefined);
  });

  test('an idle session is kept alive by pings far beyond its time-out', async () => {
    const states = statesOf(zk);
    const { stat } = await zk.create(`${path}/e`, '', { mode: 'ephemeral' });
    const begin = performance.now();
    await until('twice the time-out has passed', () => performance.now() - begin > TIMEOUT * 2);
    assert.equal((await other.exists(`${path}/e`))?.czxid, stat.czxid);
    assert.deepEqual(states, []);
  });

  test('a server that holds the connection and says nothing is left within two thirds of the time-out', async () => {
    const begin = performance.now();
    proxy.hold();
    await until('the silence is noticed', () => zk.state !== 'connected', TIMEOUT);
    assert.ok(performance.now() - begin < TIMEOUT);
    assert.match(zk.lastError!.message, /silent/);
    proxy.release();
    await until('it is back', () => zk.state === 'connected');
  });

  test('an outage longer than the session is told as expiry, by the client itself, to everyone who waits', async () => {
    const states = statesOf(zk);
    const events = zk.watch(path);
    const persistent = zk.watch(path, { kind: 'persistent' });
    await zk.sync();
    await lose();
    const begin = performance.now();
    const waiting = [zk.get(path), zk.set(path, 'never'), events.next(), persistent.next()];
    const outcomes = await within('all are told', Promise.allSettled(waiting));
    assert.ok(performance.now() - begin < TIMEOUT * 1.5);
    for (const outcome of outcomes) {
      assert.ok(outcome.status === 'rejected');
      assert.equal(outcome.reason.code, 'SESSION_EXPIRED');
      assert.ok(!outcome.reason.ambiguous);
    }
    assert.equal(zk.state, 'expired');
    assert.equal((await zk.closed)?.code, 'SESSION_EXPIRED');
    assert.deepEqual(states, ['connecting', 'expired']);
    await assert.rejects(zk.get(path), { code: 'SESSION_EXPIRED' });
    await assert.rejects(zk.watch(path).next(), { code: 'SESSION_EXPIRED' });
    assert.equal((await other.get(path)).data.toString(), 'before');
  });

  test('without a bound of its own, a client waits for the word of the server, and gets it', async () => {
    const options = { sessionTimeout: TIMEOUT, outageLimit: Number.POSITIVE_INFINITY };
    await using patient = await ZooKeeper.connect(proxy.address, options);
    await patient.create(`${path}/e`, '', { mode: 'ephemeral' });
    proxy.refuse();
    proxy.cut();
    await until('the server has ended it', async () => (await other.exists(`${path}/e`)) === undefined);
    assert.equal(patient.state, 'connecting');
    const reading = patient.get(path);
    proxy.accept();
    await assert.rejects(reading, { code: 'SESSION_EXPIRED' });
    assert.match((await patient.closed)!.message, /ensemble says/);
  });

  test('a session is taken over by its id and password; a wrong password or an old id is SESSION_EXPIRED', async () => {
    const { session } = zk;
    await zk.create(`${path}/e`, 'mine', { mode: 'ephemeral' });
    proxy.refuse();
    const heir = await ZooKeeper.connect(ensemble.servers, { sessionTimeout: TIMEOUT, session });
    assert.equal(heir.session.id, session.id);
    await heir.set(`${path}/e`, 'still mine');
    const wrong = { id: session.id, password: Buffer.alloc(16) };
    await assert.rejects(ZooKeeper.connect(ensemble.servers, { session: wrong }), { code: 'SESSION_EXPIRED' });
    // The server has cut the connection of the session whose password was tried: a read finds the next one.
    await heir.sync();
    await heir.set(`${path}/e`, 'still mine');
    await heir.close();
    assert.equal(await other.exists(`${path}/e`), undefined);
    await assert.rejects(ZooKeeper.connect(ensemble.servers, { session }), { code: 'SESSION_EXPIRED' });
  });

  test('close ends the session on the server at once, after what was asked for before', async () => {
    const closing = await ZooKeeper.connect(ensemble.servers);
    await closing.create(`${path}/e`, '', { mode: 'ephemeral' });
    const last = closing.set(path, 'last words');
    await closing.close();
    await last;
    assert.equal(await other.exists(`${path}/e`), undefined);
    assert.equal((await other.get(path)).data.toString(), 'last words');
    assert.equal(closing.state, 'closed');
    assert.equal(await closing.closed, undefined);
    await closing.close();
    await assert.rejects(closing.get(path), { code: 'CLOSED' });
    await assert.rejects(closing.addAuth('digest', 'a:b'), { code: 'CLOSED' });
    assert.equal((await closing.states().next()).done, true);
  });

  test('close does not wait for a server that is silent or gone', async () => {
    await lose();
    const waiting = zk.get(path);
    const begin = performance.now();
    await Promise.all([zk.close(), assert.rejects(waiting, { code: 'CLOSED' })]);
    assert.ok(performance.now() - begin < 500);
    const held = await ZooKeeper.connect(ensemble.servers, { sessionTimeout: 1_000 });
    member.pause();
    try {
      await within('close', held.close(), 3_000);
    } finally {
      member.resume();
    }
  });

  test('await using closes the client', async () => {
    let client: ZooKeeper;
    {
      await using scoped = await ZooKeeper.connect(ensemble.servers);
      client = scoped;
    }
    assert.equal(client.state, 'closed');
  });

  test('a server that is killed and restarted keeps the session', { timeout: 60_000 }, async () => {
    const { stat } = await zk.create(`${path}/e`, '', { mode: 'ephemeral' });
    const patient = await ZooKeeper.connect(ensemble.servers, { sessionTimeout: 30_000 });
    const events = patient.watch(path);
    await patient.create(`${path}/patient`, '', { mode: 'ephemeral' });
    const { id } = patient.session;
    await member.kill();
    await until('the loss is noticed', () => patient.state === 'connecting');
    await member.start();
    await until('it is back', () => patient.state === 'connected');
    assert.equal(patient.session.id, id);
    assert.equal((await patient.exists(`${path}/patient`))?.ephemeralOwner, id);
    await until('the other client is back', () => other.state === 'connected');
    await other.set(path, 'after the restart');
    assert.equal((await within('the event', events.next())).value?.type, 'changed');
    await patient.close();
    assert.ok(stat.czxid > 0n);
  });

  test('connecting fails in time, with the reason, when nobody answers, when it is no ZooKeeper, and by signal', async () => {
    const [port] = await freePorts(1);
    const connectTimeout = 400;
    await assert.rejects(
      ZooKeeper.connect(`127.0.0.1:${port}`, { connectTimeout }),
      (error: Error & { code: string }) => {
        assert.equal(error.code, 'CONNECT_TIMEOUT');
        assert.match(error.message, /ECONNREFUSED/);
        assert.ok(error.cause instanceof Error);
        return true;
      },
    );
    const web = createServer((socket: Socket) => {
      socket.on('error', () => {});
      socket.write('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    const webPort = (web.address() as { port: number }).port;
    const wrong = ZooKeeper.connect(`127.0.0.1:${webPort}`, { connectTimeout });
    await assert.rejects(wrong, (error: Error & { cause: { code: string } }) => error.cause.code === 'PROTOCOL');
    web.close();
    const signal = AbortSignal.timeout(100);
    await assert.rejects(ZooKeeper.connect(`127.0.0.1:${port}`, { signal }), { code: 'ABORTED' });
    await assert.rejects(ZooKeeper.connect(proxy.address, { signal: AbortSignal.abort() }), { code: 'ABORTED' });
  });

  test('one good server in a list of bad ones is found', async () => {
    const dead = (await freePorts(3)).map((port) => `127.0.0.1:${port}`);
    await using found = await ZooKeeper.connect([...dead, ensemble.servers].join(','));
    assert.equal(found.server, ensemble.servers);
  });

  test('a reply longer than maxFrame fails its own request with PROTOCOL, and the session goes on', async () => {
    await other.set(path, Buffer.alloc(50_000));
    await using small = await ZooKeeper.connect(ensemble.servers, { maxFrame: 10_000 });
    const { id } = small.session;
    const calls = [small.get(path), small.exists(path)];
    await assert.rejects(calls[0]!, { code: 'PROTOCOL' });
    await calls[1];
    assert.equal(small.session.id, id);
  });
});
