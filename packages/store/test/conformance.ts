import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import {
  type BundleDefinition,
  blobsOf,
  definitionOf,
  draftRelease,
  type Entry,
  type InstanceStatus,
  manifestOf,
  sha256,
} from '@quorate/model';
import {
  type Latest,
  publishManifest,
  readManifest,
  rollback,
  type Store,
  type StoreChange,
  StoreError,
} from '../src/index.ts';

/** What the suite needs of an adapter. */
export interface Subject {
  /** one more store on the same place, as another process would open it; the suite closes it */
  open(): Promise<Store>;
  /** changes the stored bytes of a blob behind the store's back */
  damage(hash: string): Promise<void>;
  /** blobs that are stored now */
  storedBlobs(): Promise<string[]>;
}

export interface SuiteOptions {
  readonly skip?: string | false;
  /** a fresh place for each test; disposed after it */
  make(): Promise<Subject & AsyncDisposable>;
  /** how the 64 MiB test is to be left out, with the reason */
  readonly withoutLarge?: string;
}

const DEFINITION: BundleDefinition = definitionOf({ root: '/etc/web' });
const file = (path: string, bytes: Uint8Array): Entry => ({
  path,
  kind: 'file',
  mode: '0644',
  owner: 'root',
  group: 'root',
  size: bytes.byteLength,
  sha256: sha256(bytes),
});
const folder = (path: string): Entry => ({ path, kind: 'directory', mode: '0755', owner: 'root', group: 'root' });

type Contents = Readonly<Record<string, Uint8Array | string>>;

/** Publishes these files on top of a base. */
export async function publishFiles(
  store: Store,
  base: Latest | undefined,
  files: Contents,
  bundle = 'web',
  reads: string[] = [],
): Promise<Latest> {
  const contents = new Map<string, Uint8Array>();
  const entries: Entry[] = [];
  const folders = new Set<string>();
  for (const [path, value] of Object.entries(files)) {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) folders.add(path.slice(0, at));
    contents.set(sha256(bytes), bytes);
    entries.push(file(path, bytes));
  }
  const manifest = manifestOf([...[...folders].map(folder), ...entries]);
  const read = async (hash: string): Promise<Uint8Array> => {
    reads.push(hash);
    return contents.get(hash)!;
  };
  return publishManifest(store, {
    bundle,
    ...(base ? { base } : {}),
    definition: DEFINITION,
    manifest,
    read,
    author: 'suite',
    message: `files ${Object.keys(files).length}`,
  });
}

async function readFiles(store: Store, latest: Latest): Promise<Record<string, Buffer>> {
  const manifest = await readManifest(store, latest.release);
  const found: Record<string, Buffer> = {};
  for (const entry of manifest) if (entry.kind === 'file') found[entry.path] = await store.blob(entry);
  return found;
}

const asText = (files: Record<string, Buffer>): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([path, bytes]) => [path, bytes.toString()]));

/** Publishes one file of one's own until one is in: what a publisher with --rebase does. */
async function publishUntilIn(store: Store, path: string, bundle = 'web'): Promise<Latest> {
  for (;;) {
    const base = await store.latest(bundle);
    const before = base ? asText(await readFiles(store, base)) : {};
    try {
      return await publishFiles(store, base, { ...before, [path]: path }, bundle);
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'CONFLICT')) throw error;
    }
  }
}

/** The suite that every adapter passes: what the port's docstrings promise. */
export function conformance(name: string, { make, skip = false, withoutLarge }: SuiteOptions): void {
  const promise = (
    what: string,
    work: (subject: Subject, store: Store) => Promise<void>,
    options: { skip?: string | false } = {},
  ): void => {
    test(what, { skip: skip || options.skip || false, timeout: 180_000 }, async () => {
      await using subject = await make();
      await using store = await subject.open();
      await work(subject, store);
    });
  };

  describe(name, { concurrency: 1 }, () => {
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
      assert.deepEqual(latest.release, two.release);
      assert.equal(latest.head.version, two.head.version);
      assert.deepEqual(asText(await readFiles(other, latest)), { a: 'changed', 'd/b': 'two' });
      assert.deepEqual(await other.releases('web'), [1, 2]);
      assert.equal((await other.release('web', 1))?.digest, one.release.digest);
      assert.deepEqual(await other.bundles(), ['web']);
    });

    promise('a publish from an old head is a conflict and changes nothing', async (subject, store) => {
      const one = await publishFiles(store, undefined, { a: '1' });
      const two = await publishFiles(store, one, { a: '2' });
      await using other = await subject.open();
      await assert.rejects(publishFiles(other, one, { a: '3' }), { code: 'CONFLICT' });
      await assert.rejects(publishFiles(other, undefined, { a: '4' }), { code: 'CONFLICT' });
      assert.equal((await other.latest('web'))?.head.version, two.head.version);
      assert.deepEqual(await other.releases('web'), [1, 2]);
    });

    promise('a publish that changes nothing says so', async (_, store) => {
      const one = await publishFiles(store, undefined, { a: '1' });
      await assert.rejects(publishFiles(store, one, { a: '1' }), { code: 'UNCHANGED' });
    });

    promise('the same publication again is recognised, not doubled', async (subject, store) => {
      const one = await publishFiles(store, undefined, { a: '1' });
      const bytes = Buffer.from('2');
      const manifest = manifestOf([file('a', bytes)]);
      const drafted = draftRelease({
        bundle: 'web',
        parent: one.release,
        parentManifest: await readManifest(store, one.release),
        definition: DEFINITION,
        manifest,
        id: randomUUID(),
        author: 'suite',
        message: '',
        time: '2026-01-01T00:00:00Z',
      });
      const content = new Map([
        ...drafted.pages.map((page) => [page.sha256, page.bytes] as const),
        [sha256(bytes), bytes] as const,
      ]);
      const added = drafted.added.map((ref) => ({ ...ref, read: async () => content.get(ref.sha256)! }));
      const publication = { release: drafted.release, expected: one.head, added };
      const first = await store.publish(publication);
      await using other = await subject.open();
      const second = await other.publish(publication);
      assert.deepEqual(second.release, first.release);
      assert.deepEqual(await store.releases('web'), [1, 2]);
    });

    promise('fifty publishers at once make one line of releases, and none is lost', async (subject) => {
      const stores = await Promise.all(Array.from({ length: 5 }, () => subject.open()));
      try {
        await Promise.all(
          Array.from({ length: 50 }, (_, at) => publishUntilIn(stores[at % stores.length]!, `by-${at}`)),
        );
        const [store] = stores as [Store];
        const latest = (await store.latest('web'))!;
        assert.equal(latest.release.number, 50);
        assert.deepEqual(
          Object.keys(await readFiles(store, latest)).sort(),
          Array.from({ length: 50 }, (_, at) => `by-${at}`).sort(),
        );
        for (let number = 1; number <= 50; number++)
          assert.equal((await store.release('web', number))?.parent, number - 1);
      } finally {
        await Promise.all(stores.map((store) => store.close()));
      }
    });

    promise('only missing blobs are read and stored', async (subject, store) => {
      const files = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`file-${at}`, `content ${at}`]));
      const one = await publishFiles(store, undefined, files);
      const before = await subject.storedBlobs();
      const reads: string[] = [];
      await publishFiles(store, one, { ...files, 'file-7': 'changed' }, 'web', reads);
      assert.deepEqual(reads, [sha256(Buffer.from('changed'))]);
      // the content, and the one page that lists it
      assert.equal((await subject.storedBlobs()).length, before.length + 2);
    });

    promise('files of every size around the limits of a node come back as they were', async (subject, store) => {
      const sizes = [0, 1, 524_287, 524_288, 524_289, 1_048_575, 1_048_576, 1_048_577, 3_000_000];
      const files = Object.fromEntries(sizes.map((size, at) => [`size-${size}`, Buffer.alloc(size, at + 1)]));
      const one = await publishFiles(store, undefined, files);
      await using other = await subject.open();
      for (const [path, bytes] of Object.entries(await readFiles(other, one)))
        assert.ok(bytes.equals(files[path]!), path);
    });

    promise('ten thousand files, and a change of one of them costs two blobs', async (subject, store) => {
      const files = Object.fromEntries(
        Array.from({ length: 9_900 }, (_, at) => [`d${at % 100}/file-${at}`, `content ${at}`]),
      );
      const one = await publishFiles(store, undefined, files);
      assert.equal(one.release.files, 9_900);
      const before = (await subject.storedBlobs()).length;
      const two = await publishFiles(store, one, { ...files, 'd7/file-7': 'changed' });
      assert.equal((await subject.storedBlobs()).length, before + 2);
      assert.equal((await readManifest(store, two.release)).length, 10_000);
    });

    promise(
      '64 MiB in all',
      async (subject, store) => {
        const files = Object.fromEntries(
          [0, 1, 2, 3].map((at) => [`big-${at}`, Buffer.alloc(16 * 1024 * 1024, at + 65)]),
        );
        const progress: number[] = [];
        const manifest = manifestOf(Object.entries(files).map(([path, bytes]) => file(path, bytes)));
        const byHash = new Map(Object.values(files).map((bytes) => [sha256(bytes), bytes]));
        const one = await publishManifest(
          store,
          {
            bundle: 'web',
            definition: DEFINITION,
            manifest,
            read: async (hash) => byHash.get(hash)!,
            author: 'suite',
            message: 'large',
          },
          { progress: ({ bytes }) => progress.push(bytes) },
        );
        assert.ok(progress.at(-1)! >= 64 * 1024 * 1024);
        await using other = await subject.open();
        for (const ref of blobsOf(await readManifest(other, one.release)))
          assert.equal((await other.blob(ref)).byteLength, ref.size);
      },
      { skip: withoutLarge ?? false },
    );

    promise('deep paths and names in any script', async (_, store) => {
      const deep = `${Array.from({ length: 60 }, (_, at) => `folder-${at}`).join('/')}/file`;
      const one = await publishFiles(store, undefined, { [deep]: 'deep', 'Ünïcode/文件 (1).conf': 'named' });
      assert.deepEqual(asText(await readFiles(store, one)), { [deep]: 'deep', 'Ünïcode/文件 (1).conf': 'named' });
    });

    promise('retention removes old releases and blobs that nobody uses, and nothing else', async (subject, store) => {
      let last: Latest | undefined;
      for (let at = 1; at <= 10; at++)
        last = await publishFiles(store, last, { stays: 'the same', changes: `version ${at}` });
      const other = await publishFiles(store, undefined, { elsewhere: 'kept too' }, 'other');
      const before = (await subject.storedBlobs()).length;
      const collected = await store.collect({ keep: 3 });
      assert.equal(collected.releases, 7);
      assert.equal((await subject.storedBlobs()).length, before - collected.blobs);
      assert.equal(collected.blobs, 14);
      assert.deepEqual(await store.releases('web'), [8, 9, 10]);
      await using fresh = await subject.open();
      assert.deepEqual(asText(await readFiles(fresh, last!)), { stays: 'the same', changes: 'version 10' });
      assert.deepEqual(asText(await readFiles(fresh, other)), { elsewhere: 'kept too' });
      assert.equal((await fresh.collect({ keep: 3 })).blobs, 0);
      const next = await publishFiles(fresh, await fresh.latest('web'), { stays: 'the same', changes: 'version 1' });
      assert.equal(next.release.number, 11);
      assert.deepEqual(asText(await readFiles(store, next)), { stays: 'the same', changes: 'version 1' });
    });

    promise('collections while others publish lose nothing', async (subject, store) => {
      await publishUntilIn(store, 'first');
      const publishers = await Promise.all(Array.from({ length: 4 }, () => subject.open()));
      const collector = await subject.open();
      const done = new AbortController();
      const collecting = (async () => {
        while (!done.signal.aborted) {
          await collector.collect({ keep: 2 }).catch((error: unknown) => {
            if (!(error instanceof StoreError && error.code === 'CONFLICT')) throw error; // publishers were faster
          });
        }
      })();
      try {
        await Promise.all(
          publishers.map(async (publisher, lane) => {
            // the same contents come, go and come back: what a collector must not take from under a publisher
            for (let at = 0; at < 12; at++) await publishUntilIn(publisher, `lane-${lane}-${at % 3}-${at}`);
            for (let at = 0; at < 4; at++) await publishUntilIn(publisher, 'shared', `bundle-${lane}-${at}`);
          }),
        );
      } finally {
        done.abort();
        await collecting;
        await Promise.all([...publishers, collector].map((each) => each.close()));
      }
      for (const bundle of await store.bundles()) {
        const latest = (await store.latest(bundle))!;
        for (const [path, bytes] of Object.entries(await readFiles(store, latest)))
          assert.equal(bytes.toString(), path);
      }
      assert.equal((await store.latest('web'))?.release.number, 1 + 4 * 12);
      assert.equal((await store.bundles()).length, 1 + 16);
    });

    promise('an older release comes back as a new one, byte for byte', async (_, store) => {
      const one = await publishFiles(store, undefined, { a: '1', b: 'x' });
      const two = await publishFiles(store, one, { a: '2' });
      const three = await rollback(store, { bundle: 'web', to: 1, author: 'suite', message: 'back' });
      assert.equal(three.release.number, 3);
      assert.equal(three.release.digest, one.release.digest);
      assert.equal(three.release.rollbackOf, 1);
      assert.deepEqual(asText(await readFiles(store, three)), { a: '1', b: 'x' });
      assert.notEqual(two.release.digest, three.release.digest);
      await assert.rejects(rollback(store, { bundle: 'web', to: 9, author: '', message: '' }), { code: 'NOT_FOUND' });
      await assert.rejects(rollback(store, { bundle: 'none', to: 1, author: '', message: '' }), { code: 'NOT_FOUND' });
    });

    promise('a watcher hears of each change, of new bundles, and ends when told to', async (subject, store) => {
      await using watcher = await subject.open();
      const stop = new AbortController();
      const seen: StoreChange[] = [];
      let wake: () => void = () => undefined;
      const watching = (async () => {
        for await (const change of watcher.changes({ signal: stop.signal })) {
          seen.push(change);
          wake();
        }
      })();
      const heard = async (what: (change: StoreChange) => boolean): Promise<void> => {
        while (!seen.some(what)) await new Promise<void>((resolve) => (wake = resolve));
        seen.length = 0;
      };
      await heard(({ kind }) => kind === 'reachable');
      const one = await publishFiles(store, undefined, { a: '1' });
      await heard(({ kind }) => kind === 'bundles');
      let last = one;
      for (let at = 2; at <= 5; at++) {
        last = await publishFiles(store, last, { a: String(at) });
        await heard((change) => change.kind === 'head' && change.bundle === 'web');
        assert.equal((await watcher.latest('web'))?.release.number, at);
      }
      await publishFiles(store, undefined, { b: '1' }, 'another');
      await heard(({ kind }) => kind === 'bundles');
      stop.abort();
      await watching;
    });

    promise('a reader during writes sees one whole release after the other', async (subject, store) => {
      let last = await publishFiles(store, undefined, { a: '0', b: '0' });
      await using reader = await subject.open();
      const done = new AbortController();
      const reading = (async () => {
        let newest = 0;
        while (!done.signal.aborted) {
          const latest = (await reader.latest('web'))!;
          const files = asText(await readFiles(reader, latest));
          assert.equal(files.a, files.b);
          assert.equal(latest.head.digest, latest.release.digest);
          assert.ok(latest.release.number >= newest, 'never backwards');
          newest = latest.release.number;
        }
      })();
      for (let at = 1; at <= 40; at++) last = await publishFiles(store, last, { a: String(at), b: String(at) });
      done.abort();
      await reading;
    });

    promise('content that does not match its hash is never handed out', async (subject, store) => {
      const one = await publishFiles(store, undefined, { a: 'right' });
      const [ref] = blobsOf(await readManifest(store, one.release));
      await subject.damage(ref!.sha256);
      await using fresh = await subject.open();
      await assert.rejects(fresh.blob(ref!), { code: 'CORRUPT' });
      await assert.rejects(fresh.blob({ sha256: '0'.repeat(64), size: 5 }), { code: 'NOT_FOUND' });
    });

    promise('a publisher that lies about its content is refused before anything moves', async (_, store) => {
      const one = await publishFiles(store, undefined, { a: '1' });
      const manifest = manifestOf([file('a', Buffer.from('claimed'))]);
      const lie = publishManifest(store, {
        bundle: 'web',
        base: one,
        definition: DEFINITION,
        manifest,
        read: async () => Buffer.from('another'),
        author: '',
        message: '',
      });
      await assert.rejects(lie, { code: 'CORRUPT' });
      assert.equal((await store.latest('web'))?.release.number, 1);
    });

    promise('a publish that is given up in the middle leaves no half release', async (subject, store) => {
      const one = await publishFiles(store, undefined, { a: '1' });
      const stop = new AbortController();
      const files = Object.fromEntries(
        Array.from({ length: 400 }, (_, at) => [`f-${at}`, Buffer.alloc(3000, `${at} `)]),
      );
      const byHash = new Map(Object.values(files).map((bytes) => [sha256(bytes), bytes]));
      let reads = 0;
      const read = async (hash: string): Promise<Uint8Array> => {
        if (++reads === 200) stop.abort(new Error('given up'));
        return byHash.get(hash)!;
      };
      const manifest = manifestOf(Object.entries(files).map(([path, bytes]) => file(path, bytes)));
      await assert.rejects(
        publishManifest(
          store,
          { bundle: 'web', base: one, definition: DEFINITION, manifest, read, author: '', message: '' },
          { signal: stop.signal },
        ),
      );
      await using fresh = await subject.open();
      assert.equal((await fresh.latest('web'))?.release.number, 1);
      assert.deepEqual(await fresh.releases('web'), [1]);
      assert.equal((await publishFiles(fresh, one, files)).release.number, 2);
    });

    promise('a history of a thousand releases', async (subject, store) => {
      let last: Latest | undefined;
      for (let at = 1; at <= 1000; at++) last = await publishFiles(store, last, { a: `version ${at}` });
      await using fresh = await subject.open();
      const numbers = await fresh.releases('web');
      assert.equal(numbers.length, 1000);
      assert.equal(numbers[999], 1000);
      assert.equal((await fresh.release('web', 500))?.number, 500);
      assert.deepEqual(asText(await readFiles(fresh, (await fresh.latest('web'))!)), { a: 'version 1000' });
    });

    promise('instances show themselves, change, and are forgotten', async (subject, store) => {
      const status = (id: string, applied: number): InstanceStatus => ({
        format: 1,
        id,
        host: 'h',
        version: '0',
        bundles: { web: { applied, digest: '', target: 1, state: 'applied' } },
      });
      await using other = await subject.open();
      await store.report(status('web-1', 1));
      await other.report(status('web/2 ü', 1));
      assert.deepEqual(
        (await store.instances()).map(({ id }) => id),
        ['web-1', 'web/2 ü'],
      );
      await store.report(status('web-1', 2));
      assert.equal((await other.instances())[0]!.bundles.web!.applied, 2);
      await other.forget('web-1');
      assert.deepEqual(
        (await other.instances()).map(({ id }) => id),
        ['web/2 ü'],
      );
    });
  });
}
