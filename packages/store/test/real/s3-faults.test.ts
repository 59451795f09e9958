import assert from 'node:assert/strict';
import test, { after, before, describe } from 'node:test';
import { blobsOf } from '@quorate/model';
import { type Latest, openStore, readManifest, type Store, StoreError } from '../../src/index.ts';
import { ConditionalObjects } from '../../src/s3/index.ts';
import { publicationOf, publishFiles, publishUntilIn, readFiles, readTexts } from '../publishing.ts';
import { type Fault, FaultProxy, type Seen } from '../s3/fault-proxy.ts';
import { awsEnvironment, S3Server, reasonToSkip as skip } from '../s3/server.ts';

let server: S3Server;
let number = 0;
before(async () => {
  if (skip) return;
  server = await S3Server.start();
  await server.makeBucket('fleet');
});
after(() => server?.[Symbol.asyncDispose]());

/** A fresh store behind a proxy, and the objects of it past the proxy. */
async function place(query = ''): Promise<{
  readonly url: string;
  readonly proxy: FaultProxy;
  readonly objects: ConditionalObjects;
  open(): Promise<Store>;
  [Symbol.asyncDispose](): Promise<void>;
}> {
  const url = `s3://fleet/faults/${++number}`;
  const proxy = await FaultProxy.start(server.port);
  Object.assign(process.env, awsEnvironment(server.url));
  const objects = new ConditionalObjects(url);
  await objects.get('none'); // the endpoint is read with the first request
  process.env.AWS_ENDPOINT_URL_S3 = proxy.url;
  return {
    url,
    proxy,
    objects,
    open: () => openStore(`${url}${query}`, { pollMs: 100 }),
    [Symbol.asyncDispose]: async () => {
      objects.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

const isHeadWrite = ({ method, key }: Seen): boolean => method === 'PUT' && key.includes('/heads/');
const isBlob = ({ key }: Seen): boolean => key.includes('/blobs/');

async function checkHistory(store: Store, latest: Latest): Promise<void> {
  assert.deepEqual((await store.latest('web'))?.release, latest.release);
  for (const number of await store.releases('web')) {
    const release = (await store.release('web', number))!;
    assert.equal(release.number, number);
    await readFiles(store, { release });
  }
}

describe('a bucket on a bad day', { skip, concurrency: 1, timeout: 180_000 }, () => {
  test('a head whose answer was lost stands once, and its publisher knows', async () => {
    for (const fault of ['cut after', 'cut before', 'half'] satisfies Fault[]) {
      await using at = await place();
      await using store = await at.open();
      const one = await publishFiles(store, undefined, { a: '1' });
      at.proxy.next(1, isHeadWrite, fault);
      const two = await publishFiles(store, one, { a: '2' });
      assert.equal(at.proxy.faults, 1, String(fault));
      assert.equal(two.release.number, 2);
      assert.deepEqual(await store.latest('web'), two);
      assert.equal((await publishFiles(store, two, { a: '3' })).release.number, 3);
    }
  });

  test('a first head, a list of bundles and a status whose answers were lost are found out too', async () => {
    await using at = await place();
    await using store = await at.open();
    const lost = new Set<string>();
    // the first answer to each write is lost
    at.proxy.fault = ({ method, key }) =>
      method === 'PUT' && !lost.has(key) && lost.add(key) ? 'cut after' : undefined;
    const status = { format: 1, id: 'i', host: 'h', version: '0', bundles: {} };
    const one = await publishFiles(store, undefined, { a: '1' });
    for (const host of ['h', 'g', 'f']) {
      lost.delete([...lost].find((key) => key.endsWith('/instances/i')) ?? '');
      await store.report({ ...status, host });
    }
    assert.ok(at.proxy.faults >= 7, `${at.proxy.faults}`);
    assert.deepEqual(await store.bundles(), ['web']);
    assert.deepEqual(await store.latest('web'), one);
    assert.equal((await store.instances())[0]!.host, 'f');
  });

  test('when nothing answers any more an outcome is unknown, and the same publication again settles it', async () => {
    await using at = await place();
    await using store = await at.open();
    const one = await publishFiles(store, undefined, { a: '1' });
    const publication = await publicationOf(store, one, { a: '2' });
    let isCut = false;
    at.proxy.fault = (seen) => {
      const wasCut = isCut;
      isCut ||= isHeadWrite(seen);
      return wasCut ? 'cut before' : isCut ? 'cut after' : undefined;
    };
    await assert.rejects(store.publish(publication), { code: 'UNKNOWN_OUTCOME', message: /release 2 of web/ });
    at.proxy.fault = () => undefined;
    const two = await store.publish(publication);
    assert.equal(two.release.number, 2);
    assert.deepEqual(await store.releases('web'), [1, 2]);
    assert.deepEqual(await store.latest('web'), two);
  });

  test('a write that gets no answer at all is given up in time, and found out', async () => {
    await using at = await place();
    using objects = new ConditionalObjects(at.url, { silenceMs: 300 });
    at.proxy.next(1, ({ method }) => method === 'PUT', 'silence');
    const etag = (await objects.create('one', Buffer.from('mine')))!;
    assert.deepEqual(await at.objects.get('one'), { bytes: Buffer.from('mine'), etag });
    at.proxy.next(1, ({ method }) => method === 'PUT', 'silence');
    assert.ok(await objects.replace('one', Buffer.from('mine, again'), etag));
    assert.equal(at.proxy.faults, 2);
    assert.equal(await objects.replace('one', Buffer.from('late'), etag), undefined);
    assert.equal(await objects.replace('none', Buffer.from('late'), etag), undefined);
    at.proxy.fault = () => 'silence';
    await assert.rejects(objects.get('one'), { code: 'UNREACHABLE', message: /no answer/ });
  });

  test('content that is cut in the middle is read again, and what is damaged on the way is never handed out', async () => {
    await using at = await place();
    await using store = await at.open();
    const one = await publishFiles(store, undefined, { large: Buffer.alloc(3_000_000, 'large') });
    at.proxy.next(2, (seen) => seen.method === 'GET' && isBlob(seen), 'half');
    await using fresh = await at.open();
    assert.equal((await readFiles(fresh, one)).large!.byteLength, 3_000_000);
    assert.equal(at.proxy.faults, 2);
    const [ref] = blobsOf(await readManifest(store, one.release));
    at.proxy.fault = (seen) => (seen.method === 'GET' && isBlob(seen) ? 'half' : undefined);
    await assert.rejects(fresh.blob(ref!), { code: 'UNREACHABLE' });
  });

  test('throttled for a while it goes through; throttled for good it says so, and nothing was published', async () => {
    await using at = await place();
    await using store = await at.open();
    const one = await publishFiles(store, undefined, { a: '1' });
    const slowDown = { answer: 503, code: 'SlowDown', message: 'Please reduce your request rate.' } as const;
    at.proxy.next(3, () => true, slowDown);
    const two = await publishFiles(store, one, { a: '2' });
    assert.equal(at.proxy.faults, 3);
    at.proxy.fault = (seen) => (isHeadWrite(seen) ? slowDown : undefined);
    await assert.rejects(publishFiles(store, two, { a: '3' }), { code: 'UNREACHABLE', message: /throttling/ });
    at.proxy.fault = () => undefined;
    assert.deepEqual(await store.latest('web'), two);
    await checkHistory(store, await publishFiles(store, two, { a: '3' }));
  });

  test('a write that meets another one under way (409), and a refusal for no reason (412), are tried again', async () => {
    await using at = await place();
    await using store = await at.open();
    const one = await publishFiles(store, undefined, { a: '1' });
    at.proxy.next(4, isHeadWrite, { answer: 409, code: 'ConditionalRequestConflict' });
    const two = await publishFiles(store, one, { a: '2' });
    at.proxy.next(1, isHeadWrite, { answer: 412, code: 'PreconditionFailed' });
    const three = await publishFiles(store, two, { a: '3' });
    assert.equal(at.proxy.faults, 5);
    assert.deepEqual(await store.latest('web'), three);
    assert.deepEqual(await store.releases('web'), [1, 2, 3]);
  });

  test('an S3 that ignores conditions is refused before anything is published', async () => {
    for (const header of ['if-none-match', 'if-match']) {
      await using at = await place();
      at.proxy.fault = ({ method, key, body, headers }) =>
        method === 'PUT' && headers[header] !== undefined
          ? { done: () => at.objects.put(key.slice(at.objects.place.prefix.length), body) }
          : undefined;
      await using store = await at.open();
      await assert.rejects(publishFiles(store, undefined, { a: '1' }), {
        code: 'UNSUITABLE',
        message: new RegExp(`ignores ${header}`, 'i'),
      });
      await assert.rejects(store.collect({ keep: 1 }), { code: 'UNSUITABLE' });
      assert.deepEqual(await store.bundles(), []);
    }
  });

  test('listings that are old lose nothing: not a release, not a bundle, not what a collection is about to remove', async () => {
    await using at = await place();
    at.proxy.stale = true;
    await using store = await at.open();
    await using other = await at.open();
    let last = await publishFiles(store, undefined, { a: '1', stays: 'the same' });
    await store.collect({ keep: 3 }); // from now on each listing says that there is nothing more
    for (const text of ['2', '3', '4', '5']) last = await publishFiles(store, last, { a: text, stays: 'the same' });
    const side = await publishFiles(store, undefined, { b: '1' }, { bundle: 'other' });
    assert.deepEqual(await other.bundles(), ['other', 'web']);
    assert.deepEqual(await other.releases('web'), [1, 2, 3, 4, 5]);
    assert.equal((await other.collect({ keep: 3 })).releases, 2);
    at.proxy.stale = false;
    await other.collect({ keep: 3 });
    at.proxy.stale = true;
    last = await publishFiles(store, last, { a: '1', stays: 'the same' });
    await store.collect({ keep: 2 });
    await using fresh = await at.open();
    assert.deepEqual(await fresh.releases('web'), [5, 6]);
    await checkHistory(fresh, last);
    assert.deepEqual(await readTexts(fresh, side), { b: '1' });
  });

  test('a clock that is an hour off is told, with its direction, and nothing else happens', async () => {
    const { now } = Date;
    let usual = 0;
    for (const [ahead, way] of [
      [0, undefined],
      [3_600_000, /60 min ahead of that of S3/],
      [-3_600_000, /60 min behind that of S3/],
    ] as const) {
      await using at = await place();
      const told: string[] = [];
      Date.now = () => now() + ahead;
      try {
        await using store = await openStore(at.url, { tell: (line) => told.push(line) });
        const one = await publishFiles(store, undefined, { a: '1' });
        assert.deepEqual(await store.latest('web'), one);
        await store.report({ format: 1, id: 'i', host: 'h', version: '0', bundles: {} });
        await store.collect({ keep: 1 });
      } finally {
        Date.now = now;
      }
      const { seen } = at.proxy;
      if (!way) usual = seen.length;
      else {
        assert.equal(told.length, 1);
        assert.match(told[0]!, way);
        assert.deepEqual([seen[0]!.url, seen[0]!.status], [seen[1]!.url, 403], 'really refused, then signed anew');
        assert.equal(seen.length, usual + 1, 'and nothing else was asked twice');
      }
    }
  });

  test('publishers and a collector through an S3 that fails at random: what was acknowledged is there, once', async () => {
    await using at = await place();
    const stores = await Promise.all(Array.from({ length: 3 }, () => at.open()));
    const [collector] = stores;
    let random = Number(process.env.QUORATE_SEED ?? 7);
    const chance = (): number => {
      random = (random * 16_807) % 2_147_483_647;
      return random / 2_147_483_647;
    };
    const kinds: Fault[] = [
      'cut after',
      'cut before',
      'half',
      { answer: 503, code: 'SlowDown' },
      { answer: 500, code: 'InternalError' },
      { delay: 50 },
    ];
    at.proxy.fault = ({ method, headers }) => {
      if (chance() > 0.04) return undefined;
      if (method === 'PUT' && headers['if-match'] && chance() < 0.2)
        return { answer: 409, code: 'ConditionalRequestConflict' };
      return kinds[Math.floor(chance() * kinds.length)];
    };
    const acknowledged: Latest[] = [];
    const unknown: string[] = [];
    await Promise.all([
      ...stores.map(async (store, lane) => {
        for (let at = 0; at < 6; at++) {
          try {
            acknowledged.push(await publishUntilIn(store, `${lane}-${at}`));
          } catch (error) {
            if (!(error instanceof StoreError && ['UNKNOWN_OUTCOME', 'UNREACHABLE'].includes(error.code))) throw error;
            unknown.push(`${lane}-${at}`);
          }
        }
      }),
      (async () => {
        for (let run = 0; run < 4; run++)
          await collector!.collect({ keep: 100 }).catch((error: StoreError) => {
            if (!['CONFLICT', 'UNKNOWN_OUTCOME', 'UNREACHABLE'].includes(error.code)) throw error;
          });
      })(),
    ]);
    at.proxy.fault = () => undefined;
    assert.ok(
      at.proxy.faults > 10 && acknowledged.length > 9,
      `${at.proxy.faults} faults, ${acknowledged.length} releases`,
    );
    await using fresh = await at.open();
    const latest = (await fresh.latest('web'))!;
    const numbers = await fresh.releases('web');
    assert.deepEqual(
      numbers,
      numbers.map((_, at) => at + 1),
    );
    for (const { release } of acknowledged) assert.deepEqual(await fresh.release('web', release.number), release);
    assert.equal(new Set(acknowledged.map(({ release }) => release.number)).size, acknowledged.length);
    assert.ok(numbers.length <= acknowledged.length + unknown.length, 'none is there twice');
    await checkHistory(fresh, latest);
    const contents = (await readManifest(fresh, latest.release)).map(({ path }) => path);
    for (const { release } of acknowledged) assert.ok(release.number <= contents.length);
    await Promise.all(stores.map((store) => store.close()));
  });
});
