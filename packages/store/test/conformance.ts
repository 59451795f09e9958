import assert from 'node:assert/strict';
import { blobsOf, manifestOf, sha256 } from '@quorate/model';
import { until } from '../../zookeeper/test/until.ts';
import { type Latest, readManifest, rollback, type Store, type StoreChange } from '../src/index.ts';
import { auditLog } from './conformance-audit.ts';
import { candidates } from './conformance-candidates.ts';
import { history } from './conformance-history.ts';
import { records, statusOf } from './conformance-records.ts';
import { rollouts } from './conformance-rollouts.ts';
import { tags } from './conformance-tags.ts';
import { file, publicationOf, publishFiles, publishTree, readFiles, readTexts, Tree } from './publishing.ts';
import { type Promising, type SuiteOptions, suite } from './suite.ts';

/** The suite that every adapter passes: what the port's docstrings promise. `conformance-at-scale.ts` has the large numbers. */
export function conformance(name: string, options: SuiteOptions): void {
  suite(`${name}: releases`, options, releases);
  suite(`${name}: rollouts`, options, rollouts);
  suite(`${name}: history that is brought back`, options, history);
  suite(`${name}: tags`, options, tags);
  suite(`${name}: the audit log`, options, auditLog);
  suite(`${name}: content`, options, content);
  suite(`${name}: records of others`, options, records);
  suite(`${name}: candidates and votes`, options, candidates);
  suite(`${name}: watchers and instances`, options, watchers);
}

function releases(promise: Promising): void {
  promise('an empty store has no bundles, heads, releases or instances', async (_, store) => {
    assert.deepEqual(await store.bundles(), []);
    assert.equal(await store.latest('web'), undefined);
    assert.equal(await store.release('web', 1), undefined);
    assert.deepEqual(await store.releases('web'), []);
    assert.deepEqual(await store.instances(), []);
  });

  promise('a first publish and a next one are read back whole by another process', async (subject, store) => {
    const one = await publishFiles(store, undefined, { a: 'one', 'd/b': 'two' });
    assert.equal(one.release.number, 1);
    const two = await publishFiles(store, one, { a: 'changed', 'd/b': 'two' });
    await using other = await subject.open();
    const latest = (await other.latest('web'))!;
    assert.deepEqual(latest, two);
    assert.deepEqual(await readTexts(other, latest), { a: 'changed', 'd/b': 'two' });
    assert.deepEqual(await other.releases('web'), [1, 2]);
    assert.deepEqual(await other.release('web', 1), one.release);
    assert.deepEqual(await readTexts(other, one), { a: 'one', 'd/b': 'two' });
    assert.deepEqual(await other.bundles(), ['web']);
  });

  promise(
    'a publish from an old head is a conflict that says what stands now, and changes nothing',
    async (subject, store) => {
      const one = await publishFiles(store, undefined, { a: '1' });
      const two = await publishFiles(store, one, { a: '2' });
      await using other = await subject.open();
      const message = /was at release 1 .* is at release 2 by suite/;
      await assert.rejects(publishFiles(other, one, { a: '3' }), { code: 'CONFLICT', message });
      await assert.rejects(publishFiles(other, undefined, { a: '4' }), { code: 'CONFLICT', message: /was at nothing/ });
      assert.deepEqual(await other.latest('web'), two);
      assert.deepEqual(await other.releases('web'), [1, 2]);
    },
  );

  promise('a publish from a head so old that it was collected is a conflict too', async (subject, store) => {
    const one = await publishFiles(store, undefined, { a: '1' });
    const three = await publishFiles(store, await publishFiles(store, one, { a: '2' }), { a: '3' });
    await store.collect({ keep: 1 });
    await using other = await subject.open();
    await assert.rejects(publishFiles(other, one, { a: '4' }), { code: 'CONFLICT', message: /at release 3 by suite/ });
    assert.equal((await other.latest('web'))?.release.id, three.release.id);
  });

  promise('a publish that changes nothing says so', async (_, store) => {
    const one = await publishFiles(store, undefined, { a: '1' });
    await assert.rejects(publishFiles(store, one, { a: '1' }), { code: 'UNCHANGED' });
  });

  promise('the same publication again is recognised, not doubled', async (subject, store) => {
    const one = await publishFiles(store, undefined, { a: '1' });
    const publication = await publicationOf(store, one, { a: '2' });
    const first = await store.publish(publication);
    await using other = await subject.open();
    assert.deepEqual(await other.publish(publication), first);
    assert.deepEqual(await store.releases('web'), [1, 2]);
  });

  promise('a publication with an id of its own may be made again, whoever tries', async (subject, store) => {
    const one = await publishFiles(store, undefined, { a: '1' });
    const first = await publishFiles(store, one, { a: '2' }, { id: 'mine' });
    await using other = await subject.open();
    assert.deepEqual(await publishFiles(other, one, { a: '2' }, { id: 'mine' }), first);
    assert.equal(first.release.id, 'mine');
    assert.deepEqual(await other.releases('web'), [1, 2]);
  });

  promise(
    'a publication made again after others built upon it names no head that a publish accepts',
    async (subject, store) => {
      const one = await publishFiles(store, undefined, { a: '1' });
      const publication = await publicationOf(store, one, { a: '2' });
      const two = await store.publish(publication);
      const three = await publishFiles(store, two, { a: '3' });
      await using other = await subject.open();
      const again = await other.publish(publication);
      assert.deepEqual(again.release, two.release);
      await assert.rejects(publishFiles(other, again, { a: '4' }), { code: 'CONFLICT' });
      assert.equal((await other.latest('web'))?.release.id, three.release.id);
    },
  );

  promise(
    'an older release comes back as a new one, byte for byte, and nothing is read for it but its list',
    async (_, store) => {
      const one = await publishFiles(store, undefined, { a: '1', b: 'x' });
      const two = await publishFiles(store, one, { a: '2' });
      const contents = new Set(blobsOf(await readManifest(store, one.release)).map((ref) => ref.sha256));
      const read: string[] = [];
      const reading = store.blob.bind(store);
      store.blob = (ref, options) => {
        read.push(ref.sha256);
        return reading(ref, options);
      };
      const three = await rollback(store, { bundle: 'web', to: 1, author: 'suite', message: 'back' });
      assert.deepEqual(
        read.filter((hash) => contents.has(hash)),
        [],
      );
      assert.equal(three.release.number, 3);
      assert.equal(three.release.digest, one.release.digest);
      assert.equal(three.release.rollbackOf, 1);
      assert.deepEqual(await readTexts(store, three), { a: '1', b: 'x' });
      assert.notEqual(two.release.digest, three.release.digest);
      await assert.rejects(rollback(store, { bundle: 'web', to: 9, author: '', message: '' }), { code: 'NOT_FOUND' });
      await assert.rejects(rollback(store, { bundle: 'none', to: 1, author: '', message: '' }), { code: 'NOT_FOUND' });
    },
  );

  promise('retention removes old releases and blobs that nobody uses, and nothing else', async (subject, store) => {
    let last: Latest | undefined;
    for (let at = 1; at <= 10; at++)
      last = await publishFiles(store, last, { stays: 'the same', changes: `version ${at}` });
    const other = await publishFiles(store, undefined, { elsewhere: 'kept too' }, { bundle: 'other' });
    const before = (await subject.storedBlobs()).length;
    const collected = await store.collect({ keep: 3 });
    assert.equal(collected.releases, 7);
    assert.equal((await subject.storedBlobs()).length, before - collected.blobs);
    assert.equal(collected.blobs, 14);
    assert.deepEqual(await store.releases('web'), [8, 9, 10]);
    await using fresh = await subject.open();
    for (const number of [8, 9, 10]) {
      const release = (await fresh.release('web', number))!;
      assert.deepEqual(await readTexts(fresh, { release }), { stays: 'the same', changes: `version ${number}` });
    }
    assert.deepEqual(await readTexts(fresh, other), { elsewhere: 'kept too' });
    assert.equal((await fresh.collect({ keep: 3 })).blobs, 0);
    const next = await publishFiles(fresh, await fresh.latest('web'), { stays: 'the same', changes: 'version 1' });
    assert.equal(next.release.number, 11);
    assert.deepEqual(await readTexts(store, next), { stays: 'the same', changes: 'version 1' });
  });

  promise('a publish that is given up in the middle leaves no half release', async (subject, store) => {
    const one = await publishFiles(store, undefined, { a: '1' });
    const stop = new AbortController();
    const files = Object.fromEntries(Array.from({ length: 400 }, (_, at) => [`f-${at}`, Buffer.alloc(3000, `${at} `)]));
    const { manifest, read, reads } = new Tree(files);
    const giveUp = (hash: string): Promise<Uint8Array> => {
      if (reads.length === 200) stop.abort(new Error('given up'));
      return read(hash);
    };
    await assert.rejects(publishTree(store, one, { manifest, read: giveUp }, { signal: stop.signal }), /given up/);
    await using fresh = await subject.open();
    assert.equal((await fresh.latest('web'))?.release.number, 1);
    assert.deepEqual(await fresh.releases('web'), [1]);
    const two = await publishFiles(fresh, one, files);
    assert.equal(two.release.number, 2);
    assert.equal(Object.keys(await readFiles(fresh, two)).length, 400);
  });
}

function content(promise: Promising): void {
  promise('only missing blobs are read and stored', async (subject, store) => {
    const files = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`file-${at}`, `content ${at}`]));
    const one = await publishFiles(store, undefined, files);
    const before = await subject.storedBlobs();
    const tree = new Tree({ ...files, 'file-7': 'changed' });
    await publishTree(store, one, tree);
    assert.deepEqual(tree.reads, [sha256('changed')]);
    // the content, and the one page that lists it
    assert.equal((await subject.storedBlobs()).length, before.length + 2);
  });

  promise('files of every size around the limits of a node come back as they were', async (subject, store) => {
    const sizes = [0, 1, 524_287, 524_288, 524_289, 1_048_575, 1_048_576, 1_048_577, 3_000_000];
    const files = Object.fromEntries(sizes.map((size, at) => [`size-${size}`, Buffer.alloc(size, at + 1)]));
    const one = await publishFiles(store, undefined, files);
    await using other = await subject.open();
    const found = await readFiles(other, one);
    assert.deepEqual(Object.keys(found).sort(), Object.keys(files).sort());
    for (const [path, bytes] of Object.entries(found)) assert.ok(bytes.equals(files[path]!), path);
  });

  promise('deep paths and names in any script', async (subject, store) => {
    const deep = `${Array.from({ length: 60 }, (_, at) => `folder-${at}`).join('/')}/file`;
    const long = Array.from({ length: 16 }, () => 'n'.repeat(255)).join('/');
    const files = {
      [deep]: 'deep',
      [long]: 'long',
      'Ünïcode/文件 (1).conf': 'named',
      ' \n"\\': 'odd',
      __proto__x: 'x',
    };
    const one = await publishFiles(store, undefined, files);
    await using other = await subject.open();
    assert.deepEqual(await readTexts(other, one), files);
  });

  promise('a reader during writes sees one whole release after the other', async (subject, store) => {
    let last = await publishFiles(store, undefined, { a: '0', b: '0' });
    await using reader = await subject.open();
    const done = new AbortController();
    const reading = (async () => {
      const seen = new Set<number>();
      let newest = 0;
      while (!done.signal.aborted) {
        const latest = (await reader.latest('web'))!;
        const files = await readTexts(reader, latest);
        assert.equal(files.a, files.b);
        assert.equal(latest.head.digest, latest.release.digest);
        assert.ok(latest.release.number >= newest, 'never backwards');
        newest = latest.release.number;
        seen.add(newest);
      }
      return seen;
    })();
    for (let at = 1; at <= 40; at++) last = await publishFiles(store, last, { a: String(at), b: String(at) });
    done.abort();
    assert.ok((await reading).size > 1, 'it read while others wrote');
  });

  promise('content that does not match its hash is never handed out', async (subject, store) => {
    const large = Buffer.alloc(2_000_000, 'large');
    const one = await publishFiles(store, undefined, { a: 'right', large });
    const refs = blobsOf(await readManifest(store, one.release));
    assert.equal(refs.length, 2);
    for (const { sha256 } of refs) await subject.damage(sha256);
    await using fresh = await subject.open();
    for (const ref of refs) await assert.rejects(fresh.blob(ref), { code: 'CORRUPT', message: new RegExp(ref.sha256) });
    await assert.rejects(fresh.blob({ sha256: '0'.repeat(64), size: 5 }), { code: 'NOT_FOUND' });
    await subject.damage(one.release.pages[0]!.sha256);
    await using another = await subject.open();
    await assert.rejects(readManifest(another, one.release), { code: 'CORRUPT' });
  });

  promise('a publisher that lies about its content is refused before anything moves', async (_, store) => {
    const one = await publishFiles(store, undefined, { a: '1' });
    const manifest = manifestOf([file('a', Buffer.from('claimed'))]);
    const lie = publishTree(store, one, { manifest, read: async () => Buffer.from('another') });
    await assert.rejects(lie, { code: 'CORRUPT' });
    assert.equal((await store.latest('web'))?.release.number, 1);
  });
}

function watchers(promise: Promising): void {
  promise('a watcher hears of each change, of new bundles, and ends when told to', async (subject, store) => {
    await using watcher = await Watcher.on(await subject.open());
    await watcher.hears(({ kind }) => kind === 'reachable');
    let last = await publishFiles(store, undefined, { a: '1' });
    await watcher.hears(({ kind }) => kind === 'bundles');
    for (let at = 2; at <= 5; at++) {
      last = await publishFiles(store, last, { a: String(at) });
      await watcher.hears((change) => change.kind === 'head' && change.bundle === 'web');
      assert.equal((await watcher.store.latest('web'))?.release.number, at);
    }
    await publishFiles(store, undefined, { b: '1' }, { bundle: 'another' });
    await watcher.hears(({ kind }) => kind === 'bundles');
  });

  promise(
    'a watcher that was cut off hears that the store is away, that it is back, and what comes then',
    async (subject, store) => {
      const one = await publishFiles(store, undefined, { a: '1' });
      await using watcher = await Watcher.on(await subject.open());
      await watcher.hears(({ kind }) => kind === 'reachable');
      {
        await using _away = await subject.cutOff();
        await watcher.hears(({ kind }) => kind === 'unreachable');
      }
      await watcher.hears(({ kind }) => kind === 'reachable');
      await publishFiles(store, one, { a: '2' });
      await watcher.hears((change) => change.kind === 'head' && change.bundle === 'web');
      assert.equal((await watcher.store.latest('web'))?.release.number, 2);
    },
  );

  promise(
    'of two instances under one id the later is shown, and the other is told instead of overwriting it',
    async (subject, store) => {
      await using later = await subject.open();
      await store.report(statusOf('i', 1));
      await later.report(statusOf('i', 2));
      await later.report(statusOf('i', 3)); // as an instance that was started again: nothing is wrong
      await assert.rejects(store.report(statusOf('i', 4)), {
        code: 'TAKEN',
        message: /another instance shows itself as i/,
      });
      await assert.rejects(store.report(statusOf('i', 5)), { code: 'TAKEN' });
      assert.deepEqual(await store.instances(), [statusOf('i', 3)]);
      await later.forget('i');
      await store.report(statusOf('i', 6));
      assert.deepEqual(await later.instances(), [statusOf('i', 6)]);
    },
  );

  promise('instances show themselves, change, and are forgotten', async (subject, store) => {
    await using other = await subject.open();
    const ids = async (on: Store): Promise<string[]> => (await on.instances()).map(({ id }) => id);
    await store.report(statusOf('web-1', 1));
    await other.report(statusOf('web/2 ü', 1));
    assert.deepEqual(await ids(store), ['web-1', 'web/2 ü']);
    await store.report(statusOf('web-1', 2));
    assert.equal((await other.instances())[0]!.bundles.web!.applied, 2);
    await other.forget('web-1');
    await other.forget('web-1');
    assert.deepEqual(await ids(other), ['web/2 ü']);
  });
}

/** What a store's stream of changes tells. */
class Watcher implements AsyncDisposable {
  readonly store: Store;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #heard: StoreChange[] = [];

  private constructor(store: Store) {
    this.store = store;
    this.#ended = this.#listen();
  }

  static async on(store: Store): Promise<Watcher> {
    return new Watcher(store);
  }

  async #listen(): Promise<void> {
    for await (const change of this.store.changes({ signal: this.#stop.signal })) this.#heard.push(change);
  }

  /** Waits for a change, and forgets what came before. */
  async hears(what: (change: StoreChange) => boolean): Promise<void> {
    await until(`${what}, only ${JSON.stringify(this.#heard)}`, () => this.#heard.some(what));
    this.#heard = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    await this.store.close();
  }
}
