import assert from 'node:assert/strict';
import { blobsOf } from '@quorate/model';
import { type Latest, readManifest, type Store, StoreError } from '../src/index.ts';
import { publishFiles, publishTree, publishUntilIn, readTexts, Tree } from './publishing.ts';
import { type Promising, type SuiteOptions, suite } from './suite.ts';

const MIB = 1024 * 1024;

/** What every adapter passes, in the numbers that the product promises. */
export function conformanceAtScale(name: string, options: SuiteOptions): void {
  suite(`${name}: many publishers`, options, publishers);
  suite(`${name}: large bundles and long histories`, options, large);
}

function publishers(promise: Promising): void {
  promise('fifty publishers at once make one line of releases, and none is lost', async (subject, store) => {
    const stores = await Promise.all(Array.from({ length: 50 }, () => subject.open()));
    const paths = stores.map((_, at) => `by-${at}`);
    try {
      const published = await Promise.all(stores.map((each, at) => publishUntilIn(each, paths[at]!)));
      const numbers = published.map(({ release }) => release.number);
      assert.deepEqual(
        numbers.toSorted((a, b) => a - b),
        paths.map((_, at) => at + 1),
      );
      for (const { release } of published) {
        assert.deepEqual(await store.release('web', release.number), release);
        assert.equal(release.parent, release.number - 1);
      }
      assert.deepEqual(Object.keys(await readTexts(store, (await store.latest('web'))!)).sort(), paths.sort());
    } finally {
      await Promise.all(stores.map((each) => each.close()));
    }
  });

  promise('collections while others publish lose nothing', async (subject, store) => {
    await publishUntilIn(store, 'first');
    const stores = await Promise.all(Array.from({ length: 4 }, () => subject.open()));
    const collector = await subject.open();
    const done = new AbortController();
    const collecting = collectUntil(collector, done.signal);
    try {
      await Promise.all(
        stores.map(async (publisher, lane) => {
          // the same contents come, go and come back: what a collector must not take from under a publisher
          for (let at = 0; at < 12; at++) await publishUntilIn(publisher, `lane-${lane}-${at % 3}-${at}`);
          for (let at = 0; at < 4; at++) await publishUntilIn(publisher, 'shared', `bundle-${lane}-${at}`);
        }),
      );
    } finally {
      done.abort();
      const runs = await collecting;
      await Promise.all([...stores, collector].map((each) => each.close()));
      assert.ok(runs > 0, `${runs} collections`);
    }
    assert.equal((await store.latest('web'))?.release.number, 1 + 4 * 12);
    assert.equal((await store.bundles()).length, 1 + 16);
    for (const bundle of await store.bundles()) {
      for (const number of await store.releases(bundle)) {
        const release = (await store.release(bundle, number))!;
        for (const [path, text] of Object.entries(await readTexts(store, { release }))) assert.equal(text, path);
      }
    }
  });
}

/** @returns how many collections went through */
async function collectUntil(store: Store, signal: AbortSignal): Promise<number> {
  let runs = 0;
  while (!signal.aborted) {
    try {
      await store.collect({ keep: 2 });
      runs++;
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'CONFLICT')) throw error; // publishers were faster
    }
  }
  return runs;
}

function large(promise: Promising): void {
  promise(
    'ten thousand files in a hundred folders, and a change of one of them costs two blobs',
    async (subject, store) => {
      const files = Object.fromEntries(
        Array.from({ length: 10_000 }, (_, at) => [`d${at % 100}/file-${at}`, `content ${at}`]),
      );
      const one = await publishFiles(store, undefined, files);
      assert.equal(one.release.files, 10_000);
      const before = (await subject.storedBlobs()).length;
      const two = await publishFiles(store, one, { ...files, 'd7/file-7': 'changed' });
      assert.equal((await subject.storedBlobs()).length, before + 2);
      await using other = await subject.open();
      assert.deepEqual(await readTexts(other, two), { ...files, 'd7/file-7': 'changed' });
    },
  );

  promise('64 MiB in all', async (subject, store) => {
    const files = Object.fromEntries([0, 1, 2, 3].map((at) => [`big-${at}`, Buffer.alloc(16 * MIB, at + 65)]));
    const one = await publishTree(store, undefined, new Tree(files));
    assert.equal(one.release.bytes, 64 * MIB);
    await using other = await subject.open();
    const refs = blobsOf(await readManifest(other, one.release));
    assert.deepEqual(
      refs.map(({ size }) => size),
      [16, 16, 16, 16].map((size) => size * MIB),
    );
    for (const ref of refs) assert.equal((await other.blob(ref)).byteLength, ref.size);
  });

  promise('a history of a thousand releases', async (subject, store) => {
    let last: Latest | undefined;
    for (let at = 1; at <= 1000; at++) last = await publishFiles(store, last, { a: `version ${at}` });
    await using fresh = await subject.open();
    assert.deepEqual(
      await fresh.releases('web'),
      Array.from({ length: 1000 }, (_, at) => at + 1),
    );
    for (const number of [1, 500, 1000]) {
      const release = (await fresh.release('web', number))!;
      assert.deepEqual(await readTexts(fresh, { release }), { a: `version ${number}` });
    }
    assert.deepEqual((await fresh.latest('web'))?.release, last!.release);
  });
}
