import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CREATOR_ALL, digestId, OPEN, op, permissions, READ_ONLY, ZooKeeper, ZooKeeperError } from '@quorate/zookeeper';
import { Ensemble, reasonToSkip } from '../server.ts';
import { until } from '../until.ts';

describe('operations on a real server', { skip: reasonToSkip }, () => {
  let ensemble: Ensemble;
  let zk: ZooKeeper;
  let root: string;
  let count = 0;

  before(async () => {
    ensemble = await Ensemble.start({ config: ['enforce.auth.enabled=false'], properties: QUICK_TTL });
    zk = await ZooKeeper.connect(ensemble.servers);
  });
  after(async () => {
    await zk?.close();
    await ensemble?.[Symbol.asyncDispose]();
  });

  /** A folder for one test. */
  async function folder(): Promise<string> {
    root = `/test-${count++}`;
    await zk.create(root);
    return root;
  }

  test('create answers the path and the stat of the new node', async () => {
    const path = `${await folder()}/a`;
    const { path: created, stat } = await zk.create(path, 'hello');
    assert.equal(created, path);
    assert.equal(stat.dataLength, 5);
    assert.equal(stat.version, 0);
    assert.equal(stat.czxid, stat.mzxid);
    assert.equal(stat.ephemeralOwner, 0n);
    assert.equal(stat.ctime, stat.mtime);
    assert.ok(Math.abs(stat.ctime - Date.now()) < 60_000);
    assert.deepEqual(await zk.exists(path), stat);
  });

  test('data comes back byte for byte: empty, text, binary, and the longest that a server takes', async () => {
    const path = `${await folder()}/a`;
    await zk.create(path);
    assert.equal((await zk.get(path)).data.length, 0);
    const binary = Buffer.from(Array.from({ length: 1_000 }, (_, index) => index % 256));
    for (const data of ['', 'ä 日本 😀', binary, new Uint8Array(binary), Buffer.alloc(1_048_000, 7)]) {
      const stat = await zk.set(path, data);
      const read = await zk.get(path);
      assert.deepEqual(read.data, Buffer.from(data as string));
      assert.deepEqual(read.stat, stat);
    }
  });

  test('a request that servers would cut the connection for is refused by the client, and the session goes on', async () => {
    const path = `${await folder()}/a`;
    await zk.create(path);
    const others = [zk.get(path), zk.set(path, Buffer.alloc(1_048_576)), zk.get(path)] as const;
    await assert.rejects(others[1], { code: 'TOO_LARGE', path, operation: 'set', ambiguous: false });
    await Promise.all([others[0], others[2]]);
    assert.equal(zk.state, 'connected');
  });

  test('paths of every alphabet work, and names that end in dots', async () => {
    const parent = await folder();
    const names = ['ä', '日本', 'a b', '.hidden', '...', 'x'.repeat(200), 'a:b?c*d'];
    await Promise.all(names.map((name) => zk.create(`${parent}/${name}`)));
    assert.deepEqual((await zk.children(parent)).children.sort(), names.sort());
  });

  test('create of what exists, below what does not, and below an ephemeral node fails with its own code', async () => {
    const parent = await folder();
    await zk.create(`${parent}/e`, '', { mode: 'ephemeral' });
    await assert.rejects(zk.create(parent), { code: 'NODE_EXISTS', path: parent, operation: 'create' });
    await assert.rejects(zk.create(`${parent}/no/child`), { code: 'NO_NODE' });
    await assert.rejects(zk.create(`${parent}/e/child`), { code: 'NO_CHILDREN_FOR_EPHEMERALS' });
    await assert.rejects(zk.create('/'), { code: 'NODE_EXISTS' });
  });

  test('an error names the code, the path, the operation and what to do, and is an Error', async () => {
    const error = await zk.delete(root).then(
      () => assert.fail('must be rejected'),
      (caught) => caught,
    );
    assert.ok(error instanceof ZooKeeperError && error instanceof Error);
    assert.equal(error.code, 'NOT_EMPTY');
    assert.match(error.message, new RegExp(`^delete ${root}: .*children.*\\(NOT_EMPTY\\)$`));
  });

  test('sequential nodes are numbered in order, and a name may be empty', async () => {
    const parent = await folder();
    const made = await Promise.all(
      Array.from({ length: 20 }, () => zk.create(`${parent}/n-`, '', { mode: 'persistent_sequential' })),
    );
    const numbers = made.map(({ path }) => Number(path.slice(-10)));
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
    );
    const bare = await zk.create(`${parent}/`, '', { mode: 'ephemeral_sequential' });
    assert.match(bare.path, /\/\d{10}$/);
  });

  test('ephemeral nodes belong to the session and go when it closes', async () => {
    const path = `${await folder()}/e`;
    await using other = await ZooKeeper.connect(ensemble.servers);
    const { stat } = await other.create(path, '', { mode: 'ephemeral' });
    await other.create(`${path}-`, '', { mode: 'ephemeral_sequential' });
    assert.equal(stat.ephemeralOwner, other.session.id);
    assert.deepEqual((await other.getEphemerals()).sort(), [path, `${path}-0000000001`]);
    assert.deepEqual(await other.getEphemerals(`${path}-`), [`${path}-0000000001`]);
    await other.close();
    await until('the nodes are gone', async () => (await zk.children(root)).children.length === 0);
  });

  test('a container goes when its last child has gone, and a TTL node when its time has passed', async () => {
    const parent = await folder();
    await zk.create(`${parent}/c`, '', { mode: 'container' });
    await zk.create(`${parent}/c/child`);
    await zk.delete(`${parent}/c/child`);
    await zk.create(`${parent}/t`, '', { mode: 'persistent_with_ttl', ttl: 200 });
    const sequential = await zk.create(`${parent}/t-`, '', { mode: 'persistent_sequential_with_ttl', ttl: 200 });
    assert.match(sequential.path, /t-\d{10}$/);
    await zk.create(`${parent}/long`, '', { mode: 'persistent_with_ttl', ttl: 3_600_000 });
    await until('they are gone', async () => (await zk.children(parent)).children.join() === 'long');
  });

  test('a TTL that no server takes is refused', async () => {
    for (const ttl of [undefined, 0, -1, 1.5, 2 ** 40]) {
      const options = { mode: 'persistent_with_ttl', ...(ttl === undefined ? {} : { ttl }) } as const;
      await assert.rejects(zk.create(`${root}/x`, '', options), { code: 'BAD_ARGUMENTS' });
    }
  });

  test('set, delete and check hold to the version that is named', async () => {
    const path = `${await folder()}/a`;
    await zk.create(path);
    assert.equal((await zk.set(path, '1', { version: 0 })).version, 1);
    await assert.rejects(zk.set(path, '2', { version: 0 }), { code: 'BAD_VERSION' });
    await assert.rejects(zk.delete(path, { version: 0 }), { code: 'BAD_VERSION' });
    await zk.delete(path, { version: 1 });
    await assert.rejects(zk.set(path, ''), { code: 'NO_NODE' });
    await assert.rejects(zk.delete(path), { code: 'NO_NODE' });
    await assert.rejects(zk.get(path), { code: 'NO_NODE' });
    await assert.rejects(zk.children(path), { code: 'NO_NODE' });
    assert.equal(await zk.exists(path), undefined);
  });

  test('children come with the stat of their parent', async () => {
    const parent = await folder();
    await Promise.all(['a', 'b', 'c'].map((name) => zk.create(`${parent}/${name}`)));
    const { children, stat } = await zk.children(parent);
    assert.deepEqual(children.sort(), ['a', 'b', 'c']);
    assert.equal(stat.numChildren, 3);
    assert.equal(stat.cversion, 3);
    assert.equal(await zk.allChildrenNumber(parent), 3);
    assert.equal(await zk.allChildrenNumber(`${parent}/a`), 0);
  });

  test('ensure makes what is missing, also by many at once', async () => {
    const path = `${await folder()}/x/y/z`;
    await Promise.all(Array.from({ length: 20 }, () => zk.ensure(path)));
    await zk.ensure(path);
    await zk.ensure('/');
    assert.ok(await zk.exists(path));
  });

  test('requests are answered in the order of the calls', async () => {
    const path = `${await folder()}/a`;
    const order: string[] = [];
    const note = (name: string) => () => order.push(name);
    const calls = [
      zk.create(path, '0').then(note('create')),
      zk.get(path).then(note('get')),
      zk.set(path, '1').then(note('set')),
      zk.exists(`${path}/no`).then(note('exists')),
      zk.get(path).then(({ data }) => order.push(data.toString())),
      zk.delete(path).then(note('delete')),
      zk.get(path).catch((error) => order.push(error.code)),
    ];
    await Promise.all(calls);
    assert.deepEqual(order, ['create', 'get', 'set', 'exists', '1', 'delete', 'NO_NODE']);
  });

  test('thousands of requests in flight are each answered once', async () => {
    const parent = await folder();
    const names = Array.from({ length: 3_000 }, (_, index) => `${parent}/${index}`);
    await Promise.all(names.map((name, index) => zk.create(name, String(index))));
    const read = await Promise.all(names.map((name) => zk.get(name)));
    assert.ok(read.every(({ data }, index) => data.toString() === String(index)));
    assert.equal((await zk.children(parent)).children.length, 3_000);
    await Promise.all(names.map((name) => zk.delete(name)));
  });

  test('multi applies all: results per operation, with the paths of sequential nodes', async () => {
    const parent = await folder();
    await zk.create(`${parent}/v`, '');
    const results = await zk.multi([
      op.check(`${parent}/v`, 0),
      op.create(`${parent}/a`, 'x'),
      op.create(`${parent}/s-`, '', { mode: 'ephemeral_sequential' }),
      op.create(`${parent}/c`, '', { mode: 'container' }),
      op.create(`${parent}/t`, '', { mode: 'persistent_with_ttl', ttl: 60_000 }),
      op.set(`${parent}/v`, 'new', 0),
      op.delete(`${parent}/a`),
    ]);
    assert.deepEqual(
      results.map(({ type }) => type),
      ['check', 'create', 'create', 'create', 'create', 'set', 'delete'],
    );
    assert.ok(results[2]!.type === 'create' && /s-\d{10}$/.test(results[2]!.path));
    assert.ok(results[5]!.type === 'set' && results[5]!.stat.version === 1);
    assert.equal(await zk.exists(`${parent}/a`), undefined);
    assert.deepEqual(await zk.multi([]), []);
  });

  test('multi applies nothing when one fails, and tells which one and what of the others', async () => {
    const parent = await folder();
    const failing = zk.multi([
      op.create(`${parent}/a`),
      op.delete(`${parent}/none`),
      op.check(parent, 99),
      op.create(`${parent}/b`),
    ]);
    await assert.rejects(failing, (error: ZooKeeperError) => {
      assert.equal(error.code, 'NO_NODE');
      assert.equal(error.index, 1);
      assert.equal(error.path, `${parent}/none`);
      assert.deepEqual(
        error.results?.map((result) => (result.type === 'error' ? result.code : 'applied')),
        ['OK', 'NO_NODE', 'RUNTIME_INCONSISTENCY', 'RUNTIME_INCONSISTENCY'],
      );
      return true;
    });
    assert.deepEqual((await zk.children(parent)).children, []);
    await assert.rejects(zk.multi([op.check(parent, 99)]), { code: 'BAD_VERSION', index: 0 });
    await assert.rejects(zk.multi([op.create(parent)]), { code: 'NODE_EXISTS', index: 0 });
  });

  test('a transaction that is refused as a whole, for a bad path, sends nothing', async () => {
    await assert.rejects(zk.multi([op.create(`${root}/ok`), op.delete('bad')]), { code: 'BAD_ARGUMENTS' });
    assert.equal(await zk.exists(`${root}/ok`), undefined);
  });

  test('multiRead answers each read with its value or its error', async () => {
    const parent = await folder();
    await zk.create(`${parent}/a`, 'data');
    const results = await zk.multiRead([op.get(`${parent}/a`), op.children(parent), op.get(`${parent}/none`)]);
    const [got, listed, missing] = results;
    assert.ok(got !== undefined && 'data' in got && got.data.toString() === 'data' && got.stat.dataLength === 4);
    assert.ok(listed !== undefined && 'children' in listed && listed.children.join() === 'a');
    assert.ok(missing instanceof ZooKeeperError && missing.code === 'NO_NODE' && missing.path === `${parent}/none`);
    assert.deepEqual(await zk.multiRead([]), []);
  });

  test('sync, whoami and the configuration', async () => {
    await zk.sync();
    await zk.sync(root);
    assert.ok((await zk.whoami()).some(({ scheme, user }) => scheme === 'ip' && user === '127.0.0.1'));
    const { members, version, data } = await zk.getConfig();
    assert.equal(members.length, 1);
    assert.equal(members[0]!.client?.port, ensemble.members[0]!.ports.client);
    assert.ok(version >= 0n && data.toString().includes('server.1='));
  });

  test('ACLs are set, read and held; a session without the right is refused', async () => {
    const path = `${await folder()}/a`;
    await using owner = await ZooKeeper.connect(ensemble.servers, { auth: [{ scheme: 'digest', auth: 'me:pw' }] });
    await owner.create(path, 'secret', { acl: CREATOR_ALL });
    const id = digestId('me', 'pw');
    assert.deepEqual((await owner.getAcl(path)).acl, [{ permissions: permissions.all, scheme: 'digest', id }]);
    await assert.rejects(zk.get(path), { code: 'NO_AUTH' });
    await assert.rejects(zk.set(path, ''), { code: 'NO_AUTH' });
    await assert.rejects(zk.create(`${path}/b`), { code: 'NO_AUTH' });
    const stat = await owner.setAcl(path, [...READ_ONLY, { permissions: permissions.all, scheme: 'digest', id }]);
    assert.equal(stat.aversion, 1);
    assert.equal((await zk.get(path)).data.toString(), 'secret');
    await assert.rejects(zk.set(path, ''), { code: 'NO_AUTH' });
    await assert.rejects(owner.setAcl(path, OPEN, { version: 0 }), { code: 'BAD_VERSION' });
    await owner.setAcl(path, OPEN, { version: 1 });
    await zk.set(path, 'mine now');
  });

  test('an ACL that makes no sense is refused', async () => {
    await assert.rejects(zk.create(`${root}/bad`, '', { acl: [] }), { code: 'INVALID_ACL' });
    await assert.rejects(zk.create(`${root}/bad`, '', { acl: CREATOR_ALL }), { code: 'INVALID_ACL' });
    const unknown = [{ permissions: 31, scheme: 'nonsense', id: 'x' }];
    await assert.rejects(zk.setAcl(root, unknown), { code: 'INVALID_ACL' });
  });

  test('addAuth gives a running session its rights; a scheme that no server knows ends it with AUTH_FAILED', async () => {
    await using other = await ZooKeeper.connect(ensemble.servers);
    await other.addAuth('digest', 'super:secret');
    assert.ok((await other.whoami()).some(({ scheme }) => scheme === 'super'));
    const states: string[] = [];
    const following = (async () => {
      for await (const state of other.states()) states.push(state);
    })();
    await assert.rejects(other.addAuth('nonsense', 'x'), { code: 'AUTH_FAILED' });
    assert.equal(other.state, 'auth-failed');
    assert.equal((await other.closed)?.code, 'AUTH_FAILED');
    await following;
    assert.deepEqual(states, ['auth-failed']);
    await assert.rejects(other.get('/'), { code: 'AUTH_FAILED' });
    await assert.rejects(other.addAuth('digest', 'a:b'), { code: 'AUTH_FAILED' });
  });

  test('a wrong scheme at connect fails it with AUTH_FAILED', async () => {
    const auth = [{ scheme: 'nonsense', auth: 'x' }];
    await assert.rejects(ZooKeeper.connect(ensemble.servers, { auth }), { code: 'AUTH_FAILED' });
  });

  test('a chroot is invisible: paths go in and come out without it', async () => {
    const parent = await folder();
    await using inner = await ZooKeeper.connect(`${ensemble.servers}${parent}/deep/root`);
    await inner.ensure('/');
    assert.ok(await zk.exists(`${parent}/deep/root`));
    const events = inner.watch('/', { kind: 'persistent_recursive' });
    const { path } = await inner.create('/n-', '1', { mode: 'ephemeral_sequential' });
    assert.equal(path, '/n-0000000000');
    assert.equal((await zk.get(`${parent}/deep/root/n-0000000000`)).data.toString(), '1');
    assert.deepEqual((await inner.children('/')).children, ['n-0000000000']);
    assert.deepEqual(await inner.getEphemerals('/'), ['/n-0000000000']);
    assert.equal((await events.next()).value?.path, '/n-0000000000');
    const [created] = await inner.multi([op.create('/m')]);
    assert.ok(created!.type === 'create' && created!.path === '/m');
    await assert.rejects(inner.get('/none'), { path: '/none' });
    assert.equal((await inner.getConfig()).members.length, 1);
    await using same = await ZooKeeper.connect({ servers: [ensemble.servers], chroot: `${parent}/deep/root` });
    assert.ok(await same.exists('/m'));
  });

  test('an aborted call rejects at once, sent or not, and the session goes on', async () => {
    const path = `${await folder()}/a`;
    await zk.create(path, '0');
    const reason = new Error('changed my mind');
    await assert.rejects(zk.get(path, { signal: AbortSignal.abort(reason) }), { code: 'ABORTED', cause: reason });
    const stop = new AbortController();
    const reading = zk.get(path, { signal: stop.signal });
    const writing = zk.set(path, '1', { signal: stop.signal });
    stop.abort(reason);
    await assert.rejects(reading, { code: 'ABORTED', ambiguous: false });
    await assert.rejects(writing, { code: 'ABORTED', ambiguous: true, operation: 'set', path });
    assert.ok(['0', '1'].includes((await zk.get(path)).data.toString()));
  });

  test('a call that ended in time leaves no listener on its signal', async () => {
    const { signal } = new AbortController();
    let listening = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...parameters: Parameters<typeof add>) => {
      listening++;
      add(...parameters);
    };
    signal.removeEventListener = (...parameters: Parameters<typeof remove>) => {
      listening--;
      remove(...parameters);
    };
    await zk.get('/', { signal });
    await assert.rejects(zk.get('/none', { signal }));
    assert.equal(listening, 0);
  });

  test('what makes no sense is refused before it is sent', async () => {
    const refused = [
      zk.get('relative'),
      zk.create('/a/../b'),
      zk.create('/a', 7 as unknown as string),
      zk.create('/a', '', { mode: 'odd' as 'ephemeral' }),
      zk.multi([op.set('/a', '', 0.5)]),
      zk.set('/a', '', { version: Number.NaN }),
      zk.set('/a', '', { version: 2 ** 32 }),
      zk.delete('/a', { version: '0' as unknown as number }),
      zk.setAcl('/a', OPEN, { version: 0.5 }),
      zk.addAuth(undefined as unknown as string, 'a:b'),
      zk.addAuth('digest', 7 as unknown as string),
      ZooKeeper.connect('', {}),
      ZooKeeper.connect('h:1', { sessionTimeout: -1 }),
      ZooKeeper.connect({ servers: [] }),
    ];
    for (const call of refused) await assert.rejects(call, { code: 'BAD_ARGUMENTS' });
    assert.throws(() => zk.watch('relative'), { code: 'BAD_ARGUMENTS' });
    await assert.rejects(zk.get('relative', { watch: () => {} }), { code: 'BAD_ARGUMENTS' });
    assert.equal(zk.state, 'connected');
  });

  test('reconfig fails with its own codes: no right, a stale version, arguments that contradict each other', async () => {
    await assert.rejects(zk.reconfig({ leaving: [9] }), { code: 'NO_AUTH' });
    const auth = [{ scheme: 'digest', auth: 'super:secret' }];
    await using superuser = await ZooKeeper.connect(ensemble.servers, { auth });
    await assert.rejects(superuser.reconfig({ leaving: [1], fromConfig: 77n }), { code: 'BAD_VERSION' });
    await assert.rejects(superuser.reconfig({ joining: 'nonsense' }), { code: 'BAD_ARGUMENTS' });
    await assert.rejects(superuser.reconfig({ leaving: ['1'] }), { code: /NEW_CONFIG_NO_QUORUM|BAD_ARGUMENTS/ });
  });
});

/** ms between the looks for containers and TTL nodes that have ended; a minute otherwise. */
const QUICK_TTL = { 'znode.container.checkIntervalMs': '100' };
