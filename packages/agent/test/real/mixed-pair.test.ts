import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync, watch } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Machine } from '../machine.ts';
import type { ReaderData, ReaderSaw } from './reader.ts';

const AGENT = fileURLToPath(new URL('./agent-process.ts', import.meta.url));
const RELEASES = 200;
/** On two busy cores a reader gets some thousand reads a second; far fewer would prove nothing. */
const READS_LEAST = 10 * RELEASES;

const files = (number: number): Record<string, string> => ({
  'a.conf': `release ${number}`,
  'conf.d/b.conf': `release ${number}`,
  'conf.d/same.conf': 'the same in all',
});

test('a reader who resolves the native root once never sees files of two releases, while 200 releases go through a running agent', {
  timeout: 300_000,
}, async () => {
  await using machine = new Machine();
  await machine.publish(files(1));
  const { store, root, state } = machine.settings();
  const agent = spawn(process.execPath, [...process.execArgv, AGENT, store!, root, state], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  try {
    await machine.until({ applied: 1, state: 'applied' });
    const reader = new Reader(machine.disk.path('etc/app'));
    for (let number = 2; number <= RELEASES; number++) {
      const live = flipsTo(join(state, 'web'), number);
      await machine.publish(files(number));
      await live;
    }
    const saw = await reader.end();
    console.log(`${saw.reads} reads saw ${saw.releases} releases`);
    assert.deepEqual(saw.mixed, []);
    assert.ok(saw.reads >= READS_LEAST, `${saw.reads} reads only`);
    assert.ok(saw.releases >= RELEASES / 2, `only ${saw.releases} of ${RELEASES} releases were seen`);
  } finally {
    await end(agent);
  }
});

/** The kernel tells when `current` has been replaced: nothing is polled beside the reader. */
async function flipsTo(folder: string, number: number): Promise<void> {
  const watcher = watch(folder);
  const late = AbortSignal.timeout(60_000);
  try {
    while (readlinkSync(join(folder, 'current')) !== `releases/${number}`)
      await once(watcher, 'change', { signal: late });
  } finally {
    watcher.close();
  }
}

class Reader {
  readonly #stop = new Int32Array(new SharedArrayBuffer(4));
  readonly #saw: Promise<ReaderSaw>;

  constructor(native: string) {
    const workerData: ReaderData = { native, stop: this.#stop };
    const worker = new Worker(new URL('./reader.ts', import.meta.url), { workerData });
    this.#saw = new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  }

  end(): Promise<ReaderSaw> {
    Atomics.store(this.#stop, 0, 1);
    return this.#saw;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
