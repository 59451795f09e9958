// Opens two files of a set again and again, as an application does at its reload: the native root is resolved once, then both are read.
// A worker: told the native root and a shared flag, it answers with what it has seen once the flag is raised.
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';

export interface ReaderData {
  readonly native: string;
  /** raised to end */
  readonly stop: Int32Array<SharedArrayBuffer>;
}

export interface ReaderSaw {
  readonly reads: number;
  readonly releases: number;
  readonly mixed: readonly string[];
  /** times that a release was pruned between two opens: this thread had slept while three others came */
  readonly gone: number;
}

const { native, stop } = workerData as ReaderData;
const seen = new Set<string>();
const mixed: string[] = [];
let reads = 0;
let gone = 0;
for (; Atomics.load(stop, 0) === 0; reads++) {
  const root = realpathSync(native);
  try {
    const one = readFileSync(join(root, 'a.conf'), 'utf8');
    const other = readFileSync(join(root, 'conf.d/b.conf'), 'utf8');
    seen.add(one);
    if (one !== other) mixed.push(`${one} with ${other}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    gone++;
  }
}
parentPort!.postMessage({ reads, releases: seen.size, mixed, gone } satisfies ReaderSaw);
