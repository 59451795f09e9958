import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { blobsOf, sha256 } from '@quorate/model';
import { Backup, planRestore, restore, writeBackup } from '../../src/backup/index.ts';
import { openStore, readManifest, type Store, StoreError } from '../../src/index.ts';
import { publishFiles } from '../publishing.ts';

const STEP = fileURLToPath(new URL('./step.ts', import.meta.url));
/** Every call that changes a folder, and those that make a change durable. Bytes go to files nobody knows yet. */
const CALLS = 'mkdir mkdirat rmdir link linkat rename renameat renameat2 unlink unlinkat fsync fdatasync'.split(' ');
/** Kills at each n-th call only; 1 kills at every one, which takes five minutes. */
const STRIDE = Number(process.env.QUORATE_CRASH_STRIDE ?? 3);
/** By which the first call of each name is chosen, another one each time: a failure tells it. */
const SEED = process.env.QUORATE_CRASH_SEED ?? String(Math.floor(Math.random() * 2 ** 32));
const skip = spawnSync('strace', ['-V']).status === 0 ? false : 'no strace on the PATH';

/** Runs a step, killed just before its n-th call of this name. @returns whether it got through before */
function killedAt(name: string, nth: number, step: string[]): Promise<boolean> {
  const flags = ['-f', '-qq', '-o', '/dev/null'];
  const inject = [...flags, '-e', `trace=${name}`, '-e', `inject=${name}:signal=SIGKILL:when=${nth}`];
  // strace counts calls of each thread: all file-system work in one
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1' };
  const child = spawn('strace', [...inject, process.execPath, ...process.execArgv, STEP, ...step], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0) resolve(true);
      else if (signal === 'SIGKILL' || code === 137) resolve(false);
      else reject(new Error(`the step ended with ${code ?? signal}`));
    });
  });
}

/** Every release is there without gaps, with every byte of it. */
async function checkWhole(store: Store): Promise<number> {
  const latest = await store.latest('web');
  if (!latest) return 0;
  const numbers = await store.releases('web');
  assert.equal(numbers.at(-1), latest.release.number);
  assert.deepEqual(
    numbers,
    Array.from(numbers, (_, at) => numbers[0]! + at),
  );
  for (const number of numbers) {
    const release = (await store.release('web', number))!;
    assert.equal(release.number, number);
    for (const ref of blobsOf(await readManifest(store, release))) await store.blob(ref);
  }
  return latest.release.number;
}

/** @returns how many calls a step has, at most */
async function atEachCall(
  prepared: string,
  step: (url: string) => string[],
  check: (folder: string, through: boolean) => Promise<void>,
  calls: readonly string[] = CALLS,
): Promise<number> {
  let most = 0;
  for (const name of calls) {
    const first = 1 + (Number.parseInt(sha256(`${SEED} ${name}`).slice(0, 8), 16) % STRIDE);
    for (let nth = first, through = false; !through; nth += STRIDE) {
      const folder = `${prepared}-${name}-${nth}`;
      try {
        await cp(prepared, folder, { recursive: true });
        through = await killedAt(name, nth, step(`dir:${folder}`));
        await check(folder, through);
      } catch (cause) {
        throw new Error(`killed at ${name} number ${nth} (QUORATE_CRASH_SEED=${SEED})`, { cause });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
      if (through) most += nth - 1;
    }
  }
  return most;
}

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-crash-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What nobody needs any more is gone: no unfinished files, nothing in the trash. */
async function checkClean(folder: string): Promise<void> {
  const names = await readdir(folder, { recursive: true });
  assert.deepEqual(
    names.filter((name) => /(^|\/)(\.new-|trash\/.)/.test(name)),
    [],
  );
}

/** A run to its end fills the cache of compiled code: killed ones find it, and write nothing there that would count. */
before(() =>
  withFolder(async (outer) => {
    if (skip) return;
    assert.equal(await killedAt('rmdir', 60_000, ['publish', `dir:${join(outer, 'store')}`, 'x']), true);
  }),
);

for (const [what, releases] of [
  ['the first release', 0],
  ['a further release', 2],
] as const) {
  test(
    `a publisher of ${what} killed before any of its calls leaves one release more or none, and everything whole`,
    { skip, timeout: 600_000 },
    () =>
      withFolder(async (outer) => {
        const prepared = join(outer, 'store');
        {
          await using store = await openStore(`dir:${prepared}`);
          await publishFiles(store, undefined, { other: '1' }, { bundle: 'other' });
          for (let at = 1; at <= releases; at++)
            await publishFiles(store, await store.latest('web'), { stays: 'the same', changes: `${at}` });
        }
        const calls = await atEachCall(
          prepared,
          (url) => ['publish', url, 'x'],
          async (folder, through) => {
            await using store = await openStore(`dir:${folder}`);
            const number = await checkWhole(store);
            assert.ok(number === releases + 1 || (number === releases && !through), `release ${number}`);
            await publishFiles(store, await store.latest('web'), { next: 'y', large: 'x'.repeat(10_000) });
            assert.equal(await checkWhole(store), number + 1);
            await store.collect({ keep: 1 });
            await checkWhole(store);
            await checkClean(folder);
          },
        );

        assert.ok(calls >= 15, `only ${calls} calls`);
      }),
  );
}

test(
  'a collector killed before any of its calls loses nothing, also under publishers who bring content back, and the next one finishes',
  {
    skip,
    timeout: 600_000,
  },
  () =>
    withFolder(async (outer) => {
      const prepared = join(outer, 'store');
      {
        await using store = await openStore(`dir:${prepared}`);
        for (const text of ['a', 'b', 'c', 'd', 'e'])
          await publishFiles(store, await store.latest('web'), { stays: 'the same', changes: text });
        await publishFiles(store, undefined, { other: '1' }, { bundle: 'other' });
      }
      const calls = await atEachCall(
        prepared,
        (url) => ['collect', url],
        async (folder) => {
          await using store = await openStore(`dir:${folder}`);
          assert.equal(await checkWhole(store), 5);
          // what the collector took for garbage is used again
          await publishFiles(store, await store.latest('web'), { stays: 'the same', changes: 'a' });
          await checkWhole(store);
          await store.collect({ keep: 2 });
          assert.deepEqual(await store.releases('web'), [5, 6]);
          assert.equal(await checkWhole(store), 6);
          await checkClean(folder);
          await assert.rejects(store.blob({ sha256: '0'.repeat(64), size: 1 }), (error) => error instanceof StoreError);
        },
      );

      assert.ok(calls >= 15, `only ${calls} calls`);
    }),
);

test(
  'a restore killed before any of its calls leaves every release whole, also under collectors, and the same again finishes it',
  { skip, timeout: 600_000 },
  () =>
    withFolder(async (outer) => {
      const [source, prepared, file] = ['source', 'store', 'b.tar'].map((name) => join(outer, name)) as [
        string,
        string,
        string,
      ];
      await using from = await openStore(`dir:${source}`);
      const publish = async (text: string): Promise<unknown> =>
        publishFiles(from, await from.latest('web'), { stays: 'the same', changes: text });
      for (const text of ['a', 'b']) await publish(text);
      await (await writeBackup(from, file))[Symbol.asyncDispose]();
      await restoredFrom(file, prepared);
      for (const text of ['c', 'd', 'e']) await publish(text);
      await publishFiles(from, undefined, { other: '1' }, { bundle: 'other' });
      await (await writeBackup(from, file))[Symbol.asyncDispose]();
      const calls = await atEachCall(
        prepared,
        (url) => ['restore', url, file],
        async (folder, through) => {
          await using store = await openStore(`dir:${folder}`);
          const number = await checkWhole(store);
          assert.ok(number === 5 || (number === 2 && !through), `release ${number}`);
          await store.collect({ keep: 9 });
          assert.equal(await checkWhole(store), number);
          await restoredFrom(file, folder);
          assert.equal(await checkWhole(store), 5);
          assert.deepEqual(await store.releases('web'), [1, 2, 3, 4, 5]);
          assert.deepEqual(await store.bundles(), ['other', 'web']);
          await store.collect({ keep: 9 });
          assert.equal((await store.releases('web')).length, 5);
          await checkWhole(store);
          await checkClean(folder);
        },
      );
      assert.ok(calls >= 15, `only ${calls} calls`);
    }),
);

async function restoredFrom(file: string, folder: string): Promise<void> {
  await using store = await openStore(`dir:${folder}`);
  await using backup = await Backup.open(file);
  await restore(store, backup, await planRestore(store, backup));
}

test(
  'a backup killed before any of its calls leaves no half file under its name, and the same again goes on with what it has',
  { skip, timeout: 600_000 },
  () =>
    withFolder(async (outer) => {
      const prepared = join(outer, 'store');
      const whole = join(outer, 'whole.tar');
      {
        await using store = await openStore(`dir:${prepared}`);
        for (const text of ['a', 'b'])
          await publishFiles(store, await store.latest('web'), { stays: 'same', changes: text });
        await (await writeBackup(store, whole))[Symbol.asyncDispose]();
      }
      await using expected = await Backup.open(whole);
      const calls = await atEachCall(
        prepared,
        (url) => ['backup', url, `${url.slice('dir:'.length)}/b.tar`],
        async (folder, through) => {
          const file = join(folder, 'b.tar');
          const there = (await readdir(folder)).includes('b.tar');
          assert.ok(there || !through);
          if (there) await (await Backup.open(file))[Symbol.asyncDispose]();
          await using store = await openStore(`dir:${folder}`);
          await using backup = await writeBackup(store, file);
          assert.deepEqual(backup.lines, expected.lines);
          assert.deepEqual(
            (await readdir(folder)).filter((name) => name.startsWith('b.tar')),
            ['b.tar'],
          );
        },
        'pwrite64 ftruncate fsync rename renameat renameat2'.split(' '),
      );
      assert.ok(calls >= 10, `only ${calls} calls`);
    }),
);
