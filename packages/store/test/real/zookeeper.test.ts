import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LIMITS, learnClock } from '@quorate/model';
import { digestId, permissions, READ_ONLY, ZooKeeper } from '@quorate/zookeeper';
import { oldJars } from '../../../zookeeper/test/old-jars.ts';
import { TcpProxy } from '../../../zookeeper/test/proxy.ts';
import { Ensemble, reasonToSkip } from '../../../zookeeper/test/server.ts';
import { until } from '../../../zookeeper/test/until.ts';
import { type Latest, openStore, type StoreChange } from '../../src/index.ts';
import { trimAudit } from '../../src/zookeeper/audit.ts';
import { conformance } from '../conformance.ts';
import { conformanceAtScale } from '../conformance-at-scale.ts';
import { type Contents, DEFINITION, publicationOf, publishFiles, publishTree, readFiles, Tree } from '../publishing.ts';
import type { Subject } from '../suite.ts';

const skip = reasonToSkip ?? false;
/** A server of ZooKeeper 3.5, the oldest that may be somebody's own ensemble. */
const old = await oldJars();
let ensemble: Ensemble;
let oldEnsemble: Ensemble;
let number = 0;
before(async () => {
  if (!skip) ensemble = await Ensemble.start({ heap: 1024 });
  if (!old.reason) oldEnsemble = await Ensemble.start({ jars: old.folder });
});
after(async () => {
  if (!skip) await ensemble[Symbol.asyncDispose]();
  if (!old.reason) await oldEnsemble[Symbol.asyncDispose]();
});

/** A chroot on the ensemble, reached over a proxy that can be cut. */
async function make(ensemble: Ensemble): Promise<Subject> {
  const chroot = `/suite/${++number}`;
  const zk = await ZooKeeper.connect(ensemble.servers, { sessionTimeout: 30_000 });
  const proxy = await TcpProxy.start(ensemble.members[0]!.ports.client);
  const blob = (hash: string): string => `${chroot}/blobs/${hash.slice(0, 2)}/${hash}`;
  const tree = async (path: string): Promise<string[]> => {
    const { children } = await zk.children(path);
    return (await Promise.all(children.map((name) => tree(`${path}/${name}`)))).flat().concat(path);
  };
  return {
    open: () => openStore(`zk://${proxy.address}${chroot}`),
    damage: async (hash) => {
      const [last] = (await tree(blob(hash))).sort().slice(-1); // its last chunk, or the node itself
      const { data } = await zk.get(last!);
      await zk.set(last!, data.fill('~', Math.floor(data.length / 2)));
    },
    rewrite: async (record, change) => {
      const node = {
        format: '/format',
        head: '/bundles/web/head',
        release: '/bundles/web/releases/1',
        status: '/instances/i',
      };
      const { data } = await zk.get(chroot + node[record]);
      await zk.set(chroot + node[record], change(data.toString()));
    },
    storedBlobs: async () => {
      const shards = await zk.children(`${chroot}/blobs`);
      const names = await Promise.all(shards.children.map((shard) => zk.children(`${chroot}/blobs/${shard}`)));
      return names.flatMap(({ children }) => children);
    },
    cutOff: async () => {
      proxy.refuse();
      proxy.cut();
      return { [Symbol.asyncDispose]: async () => proxy.accept() };
    },
    [Symbol.asyncDispose]: async () => {
      if (await zk.exists(chroot)) for (const path of await tree(chroot)) await zk.delete(path).catch(() => undefined); // ephemerals may go by themselves
      await zk.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

conformance('a ZooKeeper ensemble', { make: () => make(ensemble), skip });
conformanceAtScale('a ZooKeeper ensemble', { make: () => make(ensemble), skip });
conformance('an ensemble of ZooKeeper 3.5', { make: () => make(oldEnsemble), skip: old.reason });

test('a user with rights in the chroot alone is enough, and others can neither read nor write', {
  skip,
  timeout: 120_000,
}, async () => {
  await using own = await Ensemble.start({});
  await using admin = await ZooKeeper.connect(own.servers, { auth: [{ scheme: 'digest', auth: 'super:secret' }] });
  await admin.ensure('/theirs');
  await admin.create('/theirs/quorate', '', {
    acl: [{ scheme: 'digest', id: digestId('owner', 'secret'), permissions: permissions.all }],
  });
  for (const path of ['/theirs', '/']) await admin.setAcl(path, READ_ONLY);
  const url = `zk://${own.servers}/theirs/quorate`;
  await using store = await openStore(url, { auth: 'owner:secret' });
  const one = await publishFiles(store, undefined, { a: '1', large: Buffer.alloc(2_000_000) });
  await publishFiles(store, one, { a: '2' });
  await store.report({ format: 1, id: 'w', host: 'h', version: '0', bundles: {} });
  assert.equal((await store.collect({ keep: 1 })).releases, 1);
  await assert.rejects(openStore(url), { code: 'NOT_ALLOWED' });
  await assert.rejects(openStore(url, { auth: 'owner:wrong' }), { code: 'NOT_ALLOWED' });
  await using elsewhere = await openStore(`zk://${own.servers}/ours`, { auth: 'owner:secret' });
  await assert.rejects(publishFiles(elsewhere, undefined, { a: '1' }), { code: 'NOT_ALLOWED' });
});

test('a candidate that was taken away is not committed, whoever offers meanwhile', { skip }, async () => {
  const chroot = `/withdrawn/${++number}`;
  await using zk = await ZooKeeper.connect(ensemble.servers);
  await using store = await openStore(`zk://${ensemble.servers}${chroot}`);
  await using other = await openStore(`zk://${ensemble.servers}${chroot}`);
  const one = await publishFiles(store, undefined, { a: '1' });
  const offer = await store.candidates!.offer(await publicationOf(store, one, { a: '2' }));
  const ballots = offer.ballots()[Symbol.asyncIterator]();
  await ballots.next();
  const ended = assert.rejects(ballots.next(), { code: 'WITHDRAWN', message: /nothing was published/ });
  await zk.delete(`${chroot}/candidates/web`); // as its session's end does
  await ended;
  await assert.rejects(offer.commit(), { code: 'WITHDRAWN' });
  await using theirs = await other.candidates!.offer(await publicationOf(other, one, { a: '3' }));
  await assert.rejects(offer.commit(), { code: 'WITHDRAWN' });
  await offer[Symbol.asyncDispose]();
  assert.equal((await store.candidates!.standing('web'))?.release.id, theirs.release.id);
  const two = await theirs.commit();
  await assert.rejects(offer.commit(), { code: 'CONFLICT' });
  assert.deepEqual(await store.latest('web'), two);
  await theirs[Symbol.asyncDispose]();
  assert.deepEqual((await zk.children(`${chroot}/votes/web`)).children, []);
});

test('a thousand votes are cleared away, and heard in a few lists', { skip }, async () => {
  const chroot = `/many-votes/${++number}`;
  await using zk = await ZooKeeper.connect(ensemble.servers);
  await using store = await openStore(`zk://${ensemble.servers}${chroot}`);
  await using fleet = await openStore(`zk://${ensemble.servers}${chroot}`);
  const one = await publishFiles(store, undefined, { a: '1' });
  const offer = await store.candidates!.offer(await publicationOf(store, one, { a: '2' }));
  const voting = Promise.all(
    Array.from({ length: 1000 }, (_, at) => fleet.candidates!.vote(offer.release, `i-${at}`, { ok: true })),
  );
  let lists = 0;
  for await (const { answers } of offer.ballots()) {
    lists++;
    if (answers.size === 1000) break;
  }
  await voting;
  assert.ok(lists < 200, `${lists}`);
  await offer[Symbol.asyncDispose]();
  assert.deepEqual((await zk.children(`${chroot}/votes/web`)).children, []);
});

test('the audit log is bounded: the oldest records go, some at a time', { skip }, async () => {
  const chroot = `/audit/${++number}`;
  await using store = await openStore(`zk://${ensemble.servers}${chroot}`);
  const record = { action: 'test', author: 'x', host: 'h', result: 'done', time: '' } as const;
  await Promise.all(Array.from({ length: 450 }, (_, at) => store.note({ ...record, what: `${at}` })));
  const all = await store.audit({ most: 1000 });
  assert.equal(all.length, 450);
  await using zk = await ZooKeeper.connect(`${ensemble.servers}${chroot}`);
  await trimAudit(zk, 300);
  assert.equal((await store.audit({ most: 1000 })).length, 450, 'not for a few');
  await trimAudit(zk, 10);
  assert.deepEqual(await store.audit({ most: 1000 }), all.slice(-10));
});

test('a report tells how far this clock is from the leader, within the error that it names', { skip }, async () => {
  await using store = await openStore(`zk://${ensemble.servers}/clock/${++number}`);
  const status = { format: 1, id: 'w', host: 'h', version: '0', bundles: {} };
  const now = Date.now;
  try {
    for (const ahead of [0, 3_600_000, -86_400_000]) {
      Date.now = () => now() + ahead;
      const exchange = (await store.report(status))!;
      const clock = learnClock(undefined, exchange)!;
      assert.ok(Math.abs(clock.offset - ahead) <= clock.error, JSON.stringify({ ahead, clock }));
      assert.ok(clock.error >= 1 && clock.error < 1000, `${clock.error}`);
      assert.ok(Number.isSafeInteger(exchange.epoch) && exchange.epoch > 0, `${exchange.epoch}`);
    }
  } finally {
    Date.now = now;
  }
});

test('the largest record that there may be goes through with the most blobs beside it, and a larger one is refused', {
  skip,
}, async () => {
  await using store = await openStore(`zk://${ensemble.servers}/large/${++number}`);
  const files = Object.fromEntries(Array.from({ length: 190 }, (_, at) => [`file-${at}`, `content ${at}`]));
  const withIgnore = (bytes: number): Promise<Latest> =>
    publishTree(store, undefined, new Tree(files), { definition: { ...DEFINITION, ignore: ['x'.repeat(bytes)] } });
  await assert.rejects(withIgnore(LIMITS.recordBytes), { code: 'LIMIT' });
  const one = await withIgnore(LIMITS.recordBytes - 30_000);
  assert.equal(Object.keys(await readFiles(store, one)).length, 190);
});

test('an agent holds one watch for a bundle and one each for the lists of bundles and candidates, however many files and releases', {
  skip,
  timeout: 120_000,
}, async () => {
  await using own = await Ensemble.start({});
  const url = `zk://${own.servers}/watches`;
  await using store = await openStore(url);
  const watches = async (): Promise<number> =>
    Number(/^zk_watch_count\s+(\d+)/m.exec(await own.members[0]!.ask('mntr'))?.[1]);
  const files = (text: string): Contents =>
    Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`file-${at}`, text]));
  let last = await publishFiles(store, undefined, files('1'));
  await using agent = await openStore(url);
  const stop = new AbortController();
  let heard = 0;
  const listening = (async () => {
    for await (const change of agent.changes({ signal: stop.signal })) {
      if (change.kind === 'reachable' || change.kind === 'head') await readFiles(agent, (await agent.latest('web'))!);
      heard++;
    }
  })();
  await until('the agent watches', async () => heard > 0 && (await watches()) === 3);
  for (let at = 2; at <= 5; at++) {
    const before = heard;
    last = await publishFiles(store, last, files(String(at)));
    await until('the agent has heard', () => heard > before);
  }
  assert.equal(await watches(), 3);
  stop.abort();
  await listening;
});

test("nodes that somebody made by hand beside the bundles are in nobody's way", { skip }, async () => {
  const chroot = `/hand/${++number}`;
  await using store = await openStore(`zk://${ensemble.servers}${chroot}`);
  const one = await publishFiles(store, undefined, { a: '1' });
  await using zk = await ZooKeeper.connect(ensemble.servers);
  for (const path of [
    'bundles/NOT/head',
    'bundles/web/releases/zero',
    'bundles/web/releases/99999999999999999999',
    'blobs/zz/x',
    'blobs/aa/x',
  ])
    await zk.ensure(`${chroot}/${path}`);
  await publishFiles(store, one, { a: '2' });
  assert.deepEqual(await store.bundles(), ['web']);
  assert.deepEqual(await store.releases('web'), [1, 2]);
  assert.equal((await store.collect({ keep: 1 })).releases, 1);
});

test('no server: the store says within its time that a majority is missing', { skip }, async () => {
  await assert.rejects(openStore('zk://127.0.0.1:1/none', { connectTimeout: 1500 }), {
    code: 'UNREACHABLE',
    message: /majority/,
  });
});

test('a connection that breaks around the atomic step leaves one release or none, and the publisher knows which', {
  skip,
  timeout: 120_000,
}, async () => {
  const chroot = `/cut/${++number}`;
  await using direct = await openStore(`zk://${ensemble.servers}${chroot}`);
  let last = await publishFiles(direct, undefined, { a: '0' });
  let cuts = 0;
  for (let round = 1; round <= 30; round++) {
    await using proxy = await TcpProxy.start(ensemble.members[0]!.ports.client);
    await using store = await openStore(`zk://${proxy.address}${chroot}`);
    await store.latest('web');
    const publishing = publishFiles(store, last, { a: String(round) });
    // at another moment each time: before the request, between, after its answer
    await delay(round % 10);
    proxy.cut();
    cuts++;
    last = await publishing;
    assert.equal(last.release.number, round + 1);
    assert.equal((await direct.latest('web'))?.release.id, last.release.id);
  }
  assert.equal(cuts, 30);
  assert.deepEqual((await direct.releases('web')).length, 31);
});

test('a publisher whose release was built upon and collected before it could look, says that it cannot tell', {
  skip,
  timeout: 120_000,
}, async () => {
  const chroot = `/lost/${++number}`;
  await using direct = await openStore(`zk://${ensemble.servers}${chroot}`);
  await using proxy = await TcpProxy.start(ensemble.members[0]!.ports.client);
  await using store = await openStore(`zk://${proxy.address}${chroot}`);
  const publication = await publicationOf(store, await publishFiles(store, undefined, { a: '1' }), { a: '2' });
  proxy.hold('replies');
  const publishing = store.publish(publication);
  publishing.catch(() => undefined); // told below
  const two = await until('release 2', async () => {
    const latest = await direct.latest('web');
    return latest?.release.number === 2 && latest;
  });
  await publishFiles(direct, two, { a: '3' });
  assert.equal((await direct.collect({ keep: 1 })).releases, 2);
  proxy.release();
  proxy.cut();
  await assert.rejects(publishing, { code: 'UNKNOWN_OUTCOME', message: /look at its history/ });
});

test('a watcher hears of what it missed after its server was gone, also when its session has expired', {
  skip,
  timeout: 120_000,
}, async () => {
  await using own = await Ensemble.start({});
  const member = own.members[0]!;
  await using watcher = await openStore(`zk://${own.servers}/watch`);
  const stop = new AbortController();
  const kinds: StoreChange['kind'][] = [];
  const watching = (async () => {
    for await (const change of watcher.changes({ signal: stop.signal })) kinds.push(change.kind);
  })();
  const heard = async (kind: StoreChange['kind']): Promise<void> => {
    for (const until = performance.now() + 60_000; !kinds.includes(kind); await delay(20))
      assert.ok(performance.now() < until, `no ${kind}`);
    kinds.length = 0;
  };
  await heard('reachable');
  await watcher.report({ format: 1, id: 'w', host: 'h', version: '0', bundles: {} });
  await member.kill();
  await heard('unreachable');
  await delay(15_000); // longer than the session and its outage limit: the client gives it up
  await member.start();
  await heard('reachable');
  await using store = await openStore(`zk://${own.servers}/watch`);
  await publishFiles(store, undefined, { a: '1' });
  await heard('bundles');
  assert.deepEqual(
    (await store.instances()).map(({ id }) => id),
    ['w'],
    'its status is shown again without being asked',
  );
  stop.abort();
  await watching;
});
