import assert from 'node:assert/strict';
import { blobsOf, draftRelease, type Manifest, type Release } from '@quorate/model';
import type { BlobSource, Store } from '../src/index.ts';
import { DEFINITION, publishFiles, readTexts, Tree } from './publishing.ts';
import type { Promising } from './suite.ts';

/** A line of releases as another store holds it. */
class Line {
  readonly releases: Release[] = [];
  readonly #held: BlobSource[][] = [];

  constructor(count: number, contents = (number: number) => `version ${number}`) {
    let parentManifest: Manifest = [];
    for (let number = 1; number <= count; number++) {
      const { manifest, read } = new Tree({ stays: 'the same', changes: contents(number) });
      const id = `${contents(number)} of ${count}`;
      const parent = this.releases.at(-1);
      const shown = { author: 'ann', message: `number ${number}`, time: '2026-01-01T00:00:00Z' };
      const draft = { bundle: 'web', parent, parentManifest, definition: DEFINITION, manifest, id, ...shown };
      const { release, pages } = draftRelease(draft);
      this.releases.push(release);
      this.#held.push([
        ...pages.map(({ sha256, size, bytes }) => ({ sha256, size, read: async () => bytes })),
        ...blobsOf(manifest).map((ref) => ({ ...ref, read: () => read(ref.sha256) })),
      ]);
      parentManifest = manifest;
    }
  }

  at(number: number): Release {
    return this.releases[number - 1]!;
  }

  /** From one number down to another. */
  down(from: number, to: number): { bundle: string; releases: Release[]; held: BlobSource[] } {
    const releases = this.releases.slice(to - 1, from).reverse();
    const held = new Map(releases.flatMap(({ number }) => this.#held[number - 1]!).map((each) => [each.sha256, each]));
    return { bundle: 'web', releases, held: [...held.values()] };
  }

  /** The newest as a bundle's first release here. */
  begin(store: Store): ReturnType<Store['publish']> {
    const release = this.releases.at(-1)!;
    return store.publish({ release, expected: undefined, added: this.down(release.number, release.number).held });
  }

  /** Every release from `from` on is there as it was, with all its content. */
  async check(store: Store, from: number): Promise<void> {
    const numbers = await store.releases('web');
    assert.deepEqual(numbers.slice(0, this.releases.length - from + 1), numbersFrom(from, this.releases.length));
    for (const release of this.releases.slice(from - 1)) {
      assert.deepEqual(await store.release('web', release.number), release);
      const { changes } = await readTexts(store, { release });
      assert.equal(changes, `version ${release.number}`);
    }
  }
}

const numbersFrom = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at);

/** How a restore brings a line back: its newest release first, then what came before, downwards. */
export function history(promise: Promising): void {
  const line = new Line(9);

  promise('a bundle may begin with a later release, and goes on from there', async (subject, store) => {
    const nine = await line.begin(store);
    assert.deepEqual(nine.release, line.at(9));
    await using other = await subject.open();
    assert.deepEqual(await other.latest('web'), nine);
    assert.deepEqual(await other.releases('web'), [9]);
    assert.deepEqual(await other.bundles(), ['web']);
    const ten = await publishFiles(other, nine, { a: 'next' });
    assert.equal(ten.release.number, 10);
    assert.deepEqual(await store.releases('web'), [9, 10]);
  });

  promise('older releases come back below the newest as they were, and the head stays', async (subject, store) => {
    const nine = await line.begin(store);
    const calls: number[] = [];
    await store.backfill(line.down(8, 5), { progress: (done) => calls.push(done.blobs) });
    assert.ok(calls.length > 0 && calls.at(-1) === line.down(8, 5).held.length);
    await using other = await subject.open();
    assert.deepEqual((await other.latest('web'))?.release, nine.release);
    await line.check(other, 5);
    await other.backfill(line.down(9, 1));
    await other.backfill(line.down(9, 1));
    await line.check(store, 1);
    const ten = await publishFiles(store, await store.latest('web'), { a: 'next' });
    assert.equal(ten.release.number, 10);
    await line.check(other, 1);
    assert.equal((await other.collect({ keep: 3 })).releases, 7);
    assert.deepEqual(await store.releases('web'), [8, 9, 10]);
    await line.check(store, 8);
  });

  promise('a gap that a restore left is closed from above', async (_, store) => {
    const first = new Line(3);
    const three = await first.begin(store);
    await store.backfill(first.down(2, 1));
    const long = new Line(9);
    Object.assign(long.releases, first.releases);
    await store.publish({ release: long.at(9), expected: three.head, added: long.down(9, 9).held });
    await store.backfill(long.down(8, 1));
    await long.check(store, 1);
  });

  promise('what has no place in the line is a conflict, and changes nothing', async (_, store) => {
    await assert.rejects(store.backfill(line.down(9, 1)), { code: 'CONFLICT' });
    assert.deepEqual(await store.bundles(), []);
    await line.begin(store);
    await assert.rejects(store.backfill(line.down(7, 6)), { code: 'CONFLICT', message: /release 8.*is not kept/ });
    const other = new Line(12);
    await assert.rejects(store.backfill(other.down(9, 8)), {
      code: 'CONFLICT',
      message: /another release has its number: by ann, number 9/,
    });
    await assert.rejects(store.backfill(other.down(12, 12)), { code: 'CONFLICT' });
    assert.deepEqual(await store.releases('web'), [9]);
  });

  promise('content that is not what it claims to be is refused', async (_, store) => {
    await line.begin(store);
    const { held, ...what } = line.down(8, 8);
    const lies = held.map((source) => ({ ...source, read: async () => Buffer.alloc(source.size, '~') }));
    await assert.rejects(store.backfill({ ...what, held: lies }), { code: 'CORRUPT' });
    assert.deepEqual(await store.releases('web'), [9]);
  });

  promise('collections and publishers at the same time lose nothing of it', async (subject, store) => {
    const long = new Line(40);
    let last = await long.begin(store);
    await using collector = await subject.open();
    await using publisher = await subject.open();
    let done = false;
    const others = async (work: () => Promise<unknown>): Promise<number> => {
      let runs = 0;
      for (; !done; runs++)
        await work().catch((error: Error & { code?: string }) => {
          if (error.code !== 'CONFLICT') throw error;
        });
      return runs;
    };
    const collecting = others(() => collector.collect({ keep: 1000 }));
    const publishing = others(async () => {
      last = await publishFiles(publisher, last, { stays: 'the same', changes: `version ${last.release.number % 7}` });
    });
    try {
      for (let from = 39; from >= 1; from -= 3) await store.backfill(long.down(from, Math.max(1, from - 2)));
    } finally {
      done = true;
      assert.ok((await collecting) > 0 && (await publishing) > 0);
    }
    await long.check(store, 1);
    await store.collect({ keep: 1000 });
    await long.check(store, 1);
  });
}
