import { type BundleStatus, type DriftStatus, driftStatus } from '@quorate/model';
import { openStore, type Store } from '@quorate/store';
import type { Log } from './agent.ts';
import { BundleWorker } from './bundle-worker.ts';
import { driftHere } from './disk/index.ts';
import { identify } from './ensemble/process.ts';
import { type AgentDisk, bundlePlace, ownDisk } from './own-disk.ts';
import type { Settings } from './settings/index.ts';
import { describeInstance, ownPlace, readStatus } from './status-file.ts';
import { FleetWatch } from './templates/index.ts';

export interface AppliedOnce {
  readonly bundles: Readonly<Record<string, BundleStatus>>;
  /** why the store could not be asked; the bundles are then as this disk has them */
  readonly unreachable?: Error;
}

export interface ApplyOnceOptions {
  /** one that is open already; else that of the settings is opened */
  readonly store?: Store;
  /** these bundles; the instance's own unless given */
  readonly only?: readonly string[];
  /** ms until a store that does not answer is given up */
  readonly connectTimeout?: number | undefined;
  readonly signal?: AbortSignal;
  readonly log?: Log;
}

/**
 * Puts in place what was applied last, then what the heads say, and ends: for baking images and for boot.
 * @throws AgentError LOCKED when an agent runs on this state folder
 */
export async function applyOnce(settings: Settings, options: ApplyOnceOptions = {}): Promise<AppliedOnce> {
  const fleet = new FleetWatch();
  const disk = ownDisk(settings, fleet.members, options.log);
  const signal = options.signal ?? new AbortController().signal;
  const only = options.only ?? settings.bundles;
  process.umask(0o022); // as the agent does
  await using _lock = await disk.lock({ holder: 'command', signal });
  const workers = new Map<string, BundleWorker>();
  const worker = (name: string): BundleWorker => {
    const known = workers.get(name) ?? new BundleWorker(name, () => disk.place(name), { self: ownPlace(settings) });
    workers.set(name, known);
    return known;
  };
  let unreachable: Error | undefined;
  try {
    for (const name of await disk.bundles()) if (!only || only.includes(name)) await worker(name).recover();
    unreachable = await converge(settings, options, signal, async (store) => {
      fleet.ask(store);
      const names = new Set([...(only ?? (await store.bundles({ signal }))), ...workers.keys()]);
      for (const name of names) await worker(name).converge(store, signal);
    });
  } finally {
    for (const opened of workers.values()) opened.close();
  }
  const bundles: Record<string, BundleStatus> = {};
  for (const [name, { status }] of workers) {
    const drift = status.applied > 0 ? await driftOf(settings, name, options.log) : undefined;
    bundles[name] = { ...status, ...(drift ? { drift } : {}) };
  }
  await note(settings, disk, bundles, unreachable, options.log);
  return { bundles, ...(unreachable ? { unreachable } : {}) };
}

/** How files differ from what is applied. Nothing is done about it: that is for an agent that runs. */
async function driftOf(settings: Settings, bundle: string, log: Log | undefined): Promise<DriftStatus | undefined> {
  try {
    const here = await driftHere(bundlePlace(settings, bundle));
    return here && driftStatus(here.edits.length > 0 ? 'reported' : 'clean', here.edits, { kept: here.kept.length });
  } catch (error) {
    log?.(`warn  ${bundle}: it cannot be told whether its files were edited: ${(error as Error).message}`);
    return undefined; // what was applied counts
  }
}

/** For `quorate status`: how these bundles stand now, and those that were not asked for as they stood. */
async function note(
  settings: Settings,
  disk: AgentDisk,
  bundles: Readonly<Record<string, BundleStatus>>,
  unreachable: Error | undefined,
  log: Log | undefined,
): Promise<void> {
  const before = await readStatus(settings.state).catch(() => undefined); // one that cannot be read is written anew
  const instance = describeInstance(settings, { ...before?.instance.bundles, ...bundles });
  const detail = unreachable ? { detail: unreachable.message } : {};
  const store = { url: settings.store ?? '', reachable: unreachable === undefined, ...detail };
  try {
    await disk.tell({ instance, store, agent: (await identify(process.pid))! });
  } catch (error) {
    // a full disk: what was applied counts, not the note of it
    log?.(`warn  the status could not be written: ${(error as Error).message}`);
  }
}

async function converge(
  settings: Settings,
  { store: given, connectTimeout, log }: ApplyOnceOptions,
  signal: AbortSignal,
  work: (store: Store) => Promise<void>,
): Promise<Error | undefined> {
  let store: Store | undefined;
  try {
    const tls = settings.tls ? { tls: settings.tls } : {};
    const tell = (line: string): void => log?.(`warn  ${line}`);
    const bound = connectTimeout ? { connectTimeout } : {};
    store = given ?? (await openStore(settings.store!, { signal, tell, ...tls, ...bound }));
    await work(store);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    return error as Error; // told with what this disk has: an instance alone keeps what it has (P5)
  } finally {
    if (!given) await store?.close();
  }
}
