import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import test, { after, before } from 'node:test';
import { TcpProxy } from '../../../zookeeper/test/proxy.ts';
import { Ensemble, reasonToSkip } from '../../../zookeeper/test/server.ts';
import { Backup, planRestore, restore } from '../../src/backup/index.ts';
import { openStore, type Store } from '../../src/index.ts';
import { backedUp, everything, Place, publishLine, restored } from '../backup/place.ts';

const skip = reasonToSkip ?? false;
let ensemble: Ensemble;
let number = 0;
before(async () => {
  if (!skip) ensemble = await Ensemble.start({ heap: 512 });
});
after(async () => {
  if (!skip) await ensemble[Symbol.asyncDispose]();
});

const url = (servers = ensemble.servers): string => `zk://${servers}/backup/${number}`;

/** A ZooKeeper store behind a proxy that can be cut. */
async function behindProxy(): Promise<{ proxy: TcpProxy; store: Store } & AsyncDisposable> {
  const proxy = await TcpProxy.start(ensemble.members[0]!.ports.client);
  const store = await openStore(url(proxy.address), { connectTimeout: 2000 });
  return {
    proxy,
    store,
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

test('from a directory to ZooKeeper and back: every release, head and content is the same', {
  skip,
  timeout: 120_000,
}, async () => {
  number++;
  await using place = await Place.make();
  await using store = await place.filled();
  await publishLine(store, 'large', 2, (at) => ({ large: Buffer.alloc(1_500_000, `${at}`), none: '' }));
  await publishLine(store, 'long', 200, (at) => ({ a: `version ${at}`, b: `${at % 7}` }));
  await backedUp(store, place.path('dir.tar'));
  await using zookeeper = await openStore(url());
  assert.deepEqual(await restored(zookeeper, place.path('dir.tar')), [
    'empty new',
    'large new',
    'long new',
    'mail new',
    'web new',
  ]);
  assert.deepEqual(await everything(zookeeper), await everything(store));
  await backedUp(zookeeper, place.path('zk.tar'));
  await using back = await place.store('back');
  await restored(back, place.path('zk.tar'));
  assert.deepEqual(await everything(back), await everything(store));
  const [a, b] = await Promise.all([Backup.open(place.path('dir.tar')), Backup.open(place.path('zk.tar'))]);
  assert.deepEqual(a.lines, b.lines);
  await Promise.all([a, b].map((each) => each[Symbol.asyncDispose]()));
  await publishLine(back, 'web', 1, () => ({ next: 'one' }));
  await backedUp(back, place.path('next.tar'));
  assert.deepEqual(await restored(zookeeper, place.path('next.tar')), [
    'empty same',
    'large same',
    'long same',
    'mail same',
    'web behind',
  ]);
  assert.deepEqual(await everything(zookeeper), await everything(back));
});

test('agents see the newest release of a restored bundle and none that came before it', {
  skip,
  timeout: 120_000,
}, async () => {
  number++;
  await using place = await Place.make();
  await using store = await place.store('store');
  await publishLine(store, 'web', 30, (at) => ({ a: `version ${at}` }));
  await backedUp(store, place.path('b.tar'));
  await using watcher = await openStore(url());
  await using target = await openStore(url());
  const stop = new AbortController();
  const seen: number[] = [];
  const watching = (async () => {
    for await (const _ of watcher.changes({ signal: stop.signal })) {
      const head = (await watcher.latest('web'))?.release.number;
      if (head) seen.push(head);
      if (seen.length > 0 && (await watcher.releases('web')).length === 30) break;
    }
  })();
  await restored(target, place.path('b.tar'));
  stop.abort();
  await watching;
  assert.deepEqual(
    seen.filter((head) => head !== 30),
    [],
  );
});

test('an ensemble that is lost during a backup: UNREACHABLE, and the next run goes on where this one was', {
  skip,
  timeout: 120_000,
}, async () => {
  number++;
  await using place = await Place.make();
  await using direct = await openStore(url());
  await publishLine(direct, 'web', 20, (at) => ({ a: `version ${at}`, large: Buffer.alloc(300_000, `${at}`) }));
  await using cut = await behindProxy();
  const options = {
    progress: ({ releases }: { releases: number }): void => {
      if (releases < 5) return;
      cut.proxy.refuse();
      cut.proxy.cut();
    },
  };
  await assert.rejects(backedUp(cut.store, place.path('b.tar'), options), { code: 'UNREACHABLE' });
  const left = (await stat(place.path('b.tar.partial'))).size;
  assert.ok(left > 5 * 300_000, `${left}`);
  cut.proxy.accept();
  const bytes: number[] = [];
  await backedUp(cut.store, place.path('b.tar'), { progress: (done) => bytes.push(done.bytes) });
  assert.ok(bytes.at(-1)! < 16 * 300_000, `${bytes.at(-1)} bytes were written again`);
  await using other = await place.store('other');
  await restored(other, place.path('b.tar'));
  assert.deepEqual(await everything(other), await everything(direct));
});

test('an ensemble that is lost during a restore: UNREACHABLE, and the same again finishes it, wherever it was', {
  skip,
  timeout: 180_000,
}, async () => {
  await using place = await Place.make();
  await using store = await place.store('store');
  await publishLine(store, 'web', 150, (at) => ({ a: `version ${at}`, large: Buffer.alloc(100_000, `${at >> 5}`) }));
  await publishLine(store, 'mail', 3, (at) => ({ relay: `${at}` }));
  await backedUp(store, place.path('b.tar'));
  const expected = await everything(store);
  for (const after of [1, 200]) {
    number++;
    await using cut = await behindProxy();
    await using backup = await Backup.open(place.path('b.tar'));
    const progress = ({ blobs }: { blobs: number }): void => {
      if (blobs < after) return;
      cut.proxy.refuse();
      cut.proxy.cut();
    };
    const failing = restore(cut.store, backup, await planRestore(cut.store, backup), { progress });
    await failing.then(
      () => assert.ok(false, `${after}: the cut came after the last call`),
      (error: { code?: string }) => assert.equal(error.code, 'UNREACHABLE'),
    );
    cut.proxy.accept();
    await restored(cut.store, place.path('b.tar'));
    assert.deepEqual(await everything(cut.store), expected);
  }
});
