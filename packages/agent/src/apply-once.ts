import { mkdir } from 'node:fs/promises';
import type { BundleStatus } from '@quorate/model';
import { openStore, type Store } from '@quorate/store';
import { bundlePlace, type Log, managedBundles } from './agent.ts';
import { BundleWorker } from './bundle-worker.ts';
import { lockState, openBundle } from './disk/index.ts';
import type { Settings } from './settings.ts';

export interface AppliedOnce {
  readonly bundles: Readonly<Record<string, BundleStatus>>;
  /** why the store could not be asked; the bundles are then as this disk has them */
  readonly unreachable?: Error;
}

/**
 * Puts in place what was applied last, then what the heads say, and ends: for baking images and for boot.
 * @param only these bundles; the instance's own otherwise
 * @throws AgentError LOCKED when an agent runs on this state folder
 */
export async function applyOnce(
  settings: Settings,
  options: { store?: Store; only?: readonly string[]; signal?: AbortSignal; log?: Log } = {},
): Promise<AppliedOnce> {
  const { state } = settings;
  const signal = options.signal ?? new AbortController().signal;
  const only = options.only ?? settings.bundles;
  await mkdir(state, { recursive: true, mode: 0o755 });
  await using _lock = await lockState(state);
  const workers = new Map<string, BundleWorker>();
  const worker = (name: string): BundleWorker => {
    const known =
      workers.get(name) ?? new BundleWorker(name, () => openBundle(bundlePlace(settings, name, options.log)));
    workers.set(name, known);
    return known;
  };
  let unreachable: Error | undefined;
  try {
    for (const name of await managedBundles(state)) if (!only || only.includes(name)) await worker(name).recover();
    unreachable = await converge(settings, options.store, signal, async (store) => {
      const names = new Set([...(only ?? (await store.bundles({ signal }))), ...workers.keys()]);
      for (const name of names) await worker(name).converge(store, signal);
    });
  } finally {
    for (const opened of workers.values()) opened.close();
  }
  return {
    bundles: Object.fromEntries([...workers].map(([name, { status }]) => [name, status])),
    ...(unreachable ? { unreachable } : {}),
  };
}

async function converge(
  settings: Settings,
  given: Store | undefined,
  signal: AbortSignal,
  work: (store: Store) => Promise<void>,
): Promise<Error | undefined> {
  let store: Store | undefined;
  try {
    store = given ?? (await openStore(settings.store!, { signal, ...(settings.tls ? { tls: settings.tls } : {}) }));
    await work(store);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    return error as Error; // told with what this disk has: an instance alone keeps what it has (P5)
  } finally {
    if (!given) await store?.close();
  }
}
