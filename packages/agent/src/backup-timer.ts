import { once } from 'node:events';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sha256 } from '@quorate/model';
import { type Store, StoreError } from '@quorate/store';
import { Backup, writeBackup } from '@quorate/store/backup';
import type { BackupSettings, Settings } from './settings/index.ts';
import { type BootTime, bootTime } from './trust/index.ts';

/** A backup that was written and read back. */
export interface LastBackup {
  readonly file: string;
  /** the wall clock when it was last known to hold all there was, ISO 8601: shown, never compared */
  readonly time: string;
  /** the same moment on the clock that decides */
  readonly at: BootTime;
  /** what the store held then, as a hash */
  readonly held: string;
  readonly bundles: number;
  readonly releases: number;
  /** bytes */
  readonly size: number;
}

export interface BackupReport {
  readonly state: 'waiting' | 'running' | 'failed';
  /** why it failed */
  readonly detail?: string;
  readonly last?: LastBackup;
}

/** A backup that failed is tried again after these seconds, then each last one, but never later than it would be due anyway. */
const RETRY_SECONDS = [60, 300, 900, 3600];
/** Node's timers hold 24 days at most: longer waits are waited for in parts. ms */
const WAIT_MOST = 3_600_000;

/** Seconds until the next backup is due. What was before this start of the machine cannot be measured: then it is due now. */
export function dueIn(every: number, last: LastBackup | undefined, now: BootTime): number {
  return last?.at.boot === now.boot ? Math.max(0, last.at.seconds + every * 3600 - now.seconds) : 0;
}

/** Backs the store up again and again, one file a time, and tells each change of how that stands. Ends with the signal. */
export async function* superviseBackups(
  settings: Settings,
  backup: BackupSettings,
  connected: Promise<Store>,
  signal: AbortSignal,
): AsyncGenerator<BackupReport> {
  const state = join(settings.state, 'backup.json');
  let last = await readLast(state);
  let failures = 0;
  const told = (): { last?: LastBackup } => (last ? { last } : {});
  yield { state: 'waiting', ...told() };
  const store = await orEnded(connected, signal);
  while (store && !signal.aborted) {
    let wait = dueIn(backup.every, last, bootTime());
    if (failures > 0) wait = Math.min(RETRY_SECONDS[failures - 1] ?? RETRY_SECONDS.at(-1)!, backup.every * 3600);
    if (!(await waited(wait, signal))) return;
    yield { state: 'running', ...told() };
    try {
      last = await backUp(store, { ...backup, instance: settings.instance }, last, signal);
      await writeLast(state, last);
      failures = 0;
      yield { state: 'waiting', last };
    } catch (error) {
      if (signal.aborted) return;
      failures++;
      yield { state: 'failed', detail: (error as Error).message, ...told() };
    }
  }
}

async function orEnded<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  return Promise.race([work, once(signal, 'abort').then(() => undefined)]);
}

async function waited(seconds: number, signal: AbortSignal): Promise<boolean> {
  const until = performance.now() + seconds * 1000;
  for (let left = seconds * 1000; left > 0 && !signal.aborted; left = until - performance.now())
    await delay(Math.min(left, WAIT_MOST), undefined, { signal }).catch(() => undefined); // the signal ends the wait
  return !signal.aborted;
}

/** One run: a new file where the store holds something new, and the old ones beyond `keep` away once it is known to be whole. */
async function backUp(
  store: Store,
  { to, keep, instance }: BackupSettings & { readonly instance: string },
  last: LastBackup | undefined,
  signal: AbortSignal,
): Promise<LastBackup> {
  const files = new NumberedBackups(to, instance);
  const held = await heldBy(store);
  if (
    last?.held === held &&
    (await files.list()).some(({ file }) => file === last.file) &&
    (await isWhole(last.file, signal))
  )
    return { ...last, time: new Date().toISOString(), at: bootTime() };
  const at = bootTime(); // from its beginning: what is published meanwhile is for the next
  await using backup = await writeBackup(store, await files.next(), { signal });
  await files.prune(keep);
  const { name: file, lines, releases, size } = backup;
  return { file, time: new Date().toISOString(), at, held, bundles: lines.length, releases, size };
}

/** What a store holds, as a hash that is another as soon as anything is published or collected. */
async function heldBy(store: Store): Promise<string> {
  const held: unknown[] = [store.url];
  for (const bundle of await store.bundles())
    held.push([bundle, (await store.latest(bundle))?.release.id, (await store.releases(bundle))[0]]);
  return sha256(JSON.stringify(held));
}

async function isWhole(file: string, signal: AbortSignal): Promise<boolean> {
  try {
    await using _whole = await Backup.open(file, { signal });
    return true;
  } catch (error) {
    if (error instanceof StoreError) return false; // it was whole once: a new one takes its place
    throw error;
  }
}

/** One instance's backups in a folder that others may use too: `quorate-INSTANCE-000012.tar`. A number tells which is newer, not a clock. */
class NumberedBackups {
  readonly #folder: string;
  readonly #instance: string;

  constructor(folder: string, instance: string) {
    this.#folder = folder;
    this.#instance = instance;
  }

  #path(number: number): string {
    return join(this.#folder, `quorate-${this.#instance}-${String(number).padStart(6, '0')}.tar`);
  }

  /** Newest first. */
  async list(): Promise<{ number: number; file: string }[]> {
    const found: { number: number; file: string }[] = [];
    for (const name of await readdir(this.#folder).catch(() => [])) {
      // a folder that is not there is told when it is written to
      const number = Number(/-(\d{6,})\.tar$/.exec(name)?.[1]);
      if (number > 0 && join(this.#folder, name) === this.#path(number))
        found.push({ number, file: this.#path(number) });
    }
    return found.sort((a, b) => b.number - a.number);
  }

  async next(): Promise<string> {
    return this.#path(((await this.list())[0]?.number ?? 0) + 1);
  }

  async prune(keep: number): Promise<void> {
    for (const { file } of (await this.list()).slice(keep)) await rm(file, { force: true });
  }
}

async function readLast(path: string): Promise<LastBackup | undefined> {
  try {
    return (JSON.parse(await readFile(path, 'utf8')) as { last: LastBackup }).last;
  } catch {
    // none yet, or cut off by a crash: the next backup is due now
    return undefined;
  }
}

async function writeLast(path: string, last: LastBackup): Promise<void> {
  await writeFile(`${path}.new`, `${JSON.stringify({ format: 1, last })}\n`, { mode: 0o644 });
  await rename(`${path}.new`, path);
}
