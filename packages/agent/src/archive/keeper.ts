import { setTimeout as delay } from 'node:timers/promises';
import {
  type ArchiveSettings,
  type ArchiveStep,
  type ClusterRecord,
  isOpen,
  type LineSeen,
  planArchive,
  sameHead,
} from '@quorate/model';
import { Copying, type Ensemble, type Latest, oldestOf, type Store, StoreError } from '@quorate/store';
import { News } from '../ensemble/news.ts';
import { checkArchive, openArchive } from './open.ts';
import { type ArchiveState, archiveState } from './state.ts';
import { ArchiveTags } from './tags.ts';
import { Told } from './told.ts';

/** ms without news between looks at the ensemble: what is told may be lost. The archive is asked only about what differs */
const REST_MS = 60_000;
/** ms between looks at all that the archive has */
const WHOLE_MS = 3_600_000;
/** ms after an attempt that failed, then after each last one; news waits meanwhile, so that an archive in trouble is left in peace */
const RETRY_MS = [1000, 2000, 5000, 15_000, 30_000];
/** ms in which the archive is to answer, or a release to be copied; then it is told that it does not, and waited for all the same */
const SILENT_MS = 30_000;
/** Faults of one bundle: the others go on. */
const OF_A_BUNDLE = new Set(['CONFLICT', 'CORRUPT', 'NOT_FOUND', 'NEWER_FORMAT']);

export interface KeeperOptions {
  /** of the fleet's own ensemble */
  readonly store: Store;
  readonly ensemble: Ensemble;
  readonly instance: string;
  readonly log: (line: string) => void;
  /** told after each look, and of nothing when this machine leads no more */
  readonly report?: (state: ArchiveState | undefined) => void;
  /** opens the archive: by its URL unless given */
  readonly open?: (url: string, signal: AbortSignal) => Promise<Store>;
  /** ms, for tests */
  readonly retryMs?: readonly number[];
  /** ms, for tests */
  readonly restMs?: number;
  /** ms, for tests */
  readonly silentMs?: number;
}

/**
 * Keeps the archive behind the ensemble, while this machine leads: what only the archive has is published again before publishers are let in,
 * and from then on it gets every release. Level-triggered: heads are compared, and what is missing is copied. Two at once do no harm.
 * Never throws; what is wrong is told in the ensemble's record.
 */
export async function keepArchive(options: KeeperOptions, signal: AbortSignal): Promise<void> {
  const { store, ensemble } = options;
  const keeper = new Keeper(options);
  const retryMs = options.retryMs ?? RETRY_MS;
  const news = new News();
  news.follow(headChanges(store, signal));
  news.follow(ensemble.changes({ signal }));
  let failures = 0;
  let isQuiet = false;
  while (!signal.aborted) {
    const trouble = await keeper.look(isQuiet, signal);
    failures = trouble ? failures + 1 : 0;
    if (trouble)
      await delay(retryMs[Math.min(failures, retryMs.length) - 1], undefined, { signal }).catch(() => undefined); // ended by the signal: so is the loop
    isQuiet = !trouble && !(await news.wait(options.restMs ?? REST_MS, signal));
  }
  options.report?.(undefined);
  await keeper.close();
}

async function* headChanges(store: Store, signal: AbortSignal): AsyncGenerator<void> {
  for await (const { kind } of store.changes({ signal })) if (kind !== 'unreachable') yield;
}

interface Look {
  /** also what the archive has and the ensemble does not is looked at */
  readonly isWhole: boolean;
  readonly isQuiet: boolean;
}

/** Releases of a bundle that go to the archive, whose head is `after`. */
interface Copy {
  readonly bundle: string;
  readonly from: number;
  readonly to: number;
  readonly after: Latest | undefined;
}

class Keeper {
  readonly #options: KeeperOptions;
  #to = '';
  #archive: Store | undefined;
  /** what the archive is known to have, by bundle */
  readonly #heads = new Map<string, Latest>();
  /** how far down each bundle's line went in the ensemble when the two were compared */
  readonly #oldest = new Map<string, number>();
  readonly #tags: ArchiveTags;
  #wholeAt = 0;
  /** counts steps, so that one that hangs is seen */
  #copied = 0;
  readonly #moves = (): void => void this.#copied++;
  readonly #told: Told;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#tags = new ArchiveTags(options.store);
    this.#told = new Told(options);
  }

  /** One look, and what follows from it. @param isQuiet nothing was told: what is not told is looked for @returns why it is to be tried again soon */
  async look(isQuiet: boolean, signal: AbortSignal): Promise<string | undefined> {
    const { store, ensemble, report } = this.#options;
    try {
      await ensemble.configuration({ signal }); // whatever is read from here on is no older
      const cluster = await ensemble.cluster({ signal });
      const settings = cluster?.settings.archive;
      if (!cluster || !settings) {
        await this.close();
        report?.(undefined);
        return undefined;
      }
      const trouble = await this.#keep(cluster, settings, isQuiet, signal);
      report?.(await archiveState(store, { signal }));
      return trouble;
    } catch (error) {
      // the ensemble itself: the store's own state tells
      return signal.aborted ? undefined : (error as Error).message;
    }
  }

  async #keep(
    cluster: ClusterRecord,
    settings: ArchiveSettings,
    isQuiet: boolean,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    let trouble: string | undefined;
    using _watch = this.#watchSilence(cluster, settings, signal);
    try {
      const archive = await this.#open(settings.to, signal);
      const isWhole = performance.now() >= this.#wholeAt;
      if (isWhole) for (const known of [this.#heads, this.#tags]) known.clear();
      if (isOpen(cluster) || (await this.#refill(archive, cluster, signal))) {
        await this.#follow(archive, cluster, { isWhole, isQuiet }, signal);
        if (isWhole) this.#wholeAt = performance.now() + WHOLE_MS;
      }
    } catch (error) {
      signal.throwIfAborted();
      trouble = (error as Error).message;
      await this.close(); // an adapter may hold on to what is broken: it is opened anew
    }
    await this.#told.record(cluster, settings, { heads: this.#heads, trouble }, signal);
    this.#told.say(settings, trouble);
    return trouble;
  }

  /** What hangs, as a share whose server is gone, tells nothing by itself. */
  #watchSilence(cluster: ClusterRecord, settings: ArchiveSettings, signal: AbortSignal): Disposable {
    const { silentMs = SILENT_MS } = this.#options;
    let before = this.#copied;
    const timer = setInterval(() => {
      if (this.#copied === before) {
        const trouble = `the archive ${settings.to} has not answered for ${Math.round(silentMs / 1000)} s and more`;
        this.#told.record(cluster, settings, { heads: this.#heads, trouble }, signal).catch(() => undefined); // the ensemble is away: its own trouble is told elsewhere
        this.#told.say(settings, trouble);
      }
      before = this.#copied;
    }, silentMs);
    const end = (): void => {
      clearInterval(timer);
      signal.removeEventListener('abort', end);
    };
    signal.addEventListener('abort', end); // what hangs is never disposed of
    return { [Symbol.dispose]: end };
  }

  async #open(to: string, signal: AbortSignal): Promise<Store> {
    if (this.#to !== to) {
      await this.close();
      this.#told.faults.clear();
    }
    this.#to = to;
    const { log } = this.#options;
    const tell = (line: string): void => log(`warn  archive: ${line}`);
    const { open = (url, ends) => openArchive(url, { signal: ends, tell }) } = this.#options;
    await checkArchive(to);
    this.#archive ??= await open(to, signal);
    return this.#archive;
  }

  /** What only the archive has comes back, each bundle's newest release before any history. @returns whether publishers are let in now */
  async #refill(archive: Store, cluster: ClusterRecord, signal: AbortSignal): Promise<boolean> {
    const { store, ensemble, log } = this.#options;
    const copying = new Copying(archive, store, { signal, archived: true, progress: this.#moves });
    const refilled: string[] = [];
    for (const bundle of await archive.bundles({ signal })) {
      await this.#guarded(bundle, signal, async () => {
        const { step, here, there } = await this.#compare(archive, bundle, false, signal);
        if (step.kind === 'forked') return step.reason;
        if (step.kind !== 'refill') return undefined;
        refilled.push(bundle);
        if (there!.release.number <= (here?.release.number ?? 0)) return undefined;
        await copying.newest(there!.release, here, there!.head.rollout);
        log(`info  archive: release ${there!.release.number} of ${bundle} is published again`);
        return undefined;
      });
    }
    for (const bundle of refilled) await this.#refillHistory(copying, bundle, cluster.settings.keep, signal);
    if (this.#told.faults.size > 0) return false;
    for (const bundle of await store.bundles({ signal })) await this.#tags.refill(archive, bundle, signal);
    const { generation } = await ensemble.archiveRead(cluster.generation, { signal });
    log(`info  archive: it was read to its end, and publishers are let in: generation ${generation}`);
    return true;
  }

  /** Of old releases that are damaged there, the rest is done without. */
  async #refillHistory(copying: Copying, bundle: string, keep: number | undefined, signal: AbortSignal): Promise<void> {
    try {
      await copying.history(bundle, keep);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof StoreError && (error.code === 'CORRUPT' || error.code === 'NOT_FOUND'))) throw error;
      this.#options.log(`warn  archive: not all older releases of ${bundle} can be brought back: ${error.message}`);
    }
  }

  /** Copies what the archive lacks. */
  async #follow(
    archive: Store,
    cluster: ClusterRecord,
    { isWhole, isQuiet }: Look,
    signal: AbortSignal,
  ): Promise<void> {
    const { store } = this.#options;
    const copying = new Copying(store, archive, { signal, progress: this.#moves });
    const bundles = await store.bundles({ signal });
    const all = isWhole ? new Set([...bundles, ...(await archive.bundles({ signal }))]) : bundles;
    for (const bundle of all) {
      await this.#guarded(bundle, signal, async () => {
        const fault = await this.#followOne(archive, copying, cluster, { bundle, isQuiet }, signal);
        if (fault === undefined && this.#heads.has(bundle)) await this.#tags.follow(archive, bundle, signal);
        return fault;
      });
    }
  }

  /** @returns why the bundle cannot be archived */
  async #followOne(
    archive: Store,
    copying: Copying,
    cluster: ClusterRecord,
    { bundle, isQuiet }: { readonly bundle: string; readonly isQuiet: boolean },
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const latest = await this.#options.store.latest(bundle, { signal });
    const known = this.#heads.get(bundle);
    const isSame = known && known.release.id === latest?.release.id;
    if (isSame) await this.#followRollout(archive, known, latest!, signal);
    if (isSame && !(isQuiet && (await this.#hasDeepened(known, signal)))) return undefined;
    if (!known || !latest || !(await this.#goesOn(known, latest, signal)))
      return this.#takeStep(archive, copying, cluster, bundle, signal);
    const [from, to] = [known.release.number + 1, latest.release.number];
    await this.#copy(copying, cluster, { bundle, from, to, after: known }, signal);
    return undefined;
  }

  /** What was taken back in steps must not come back to all at once: the archive's head has the ensemble's rollout too. */
  async #followRollout(archive: Store, known: Latest, { head, release }: Latest, signal: AbortSignal): Promise<void> {
    if (!head.rollout || sameHead(known.head, head)) return;
    const after = await archive.steer(release.bundle, known.head, head.rollout, { signal });
    this.#heads.set(release.bundle, { ...known, head: after });
  }

  /** Whether a restore has brought older releases in since. */
  async #hasDeepened({ release: { bundle, number } }: Latest, signal: AbortSignal): Promise<boolean> {
    const oldest = oldestOf(number, await this.#options.store.releases(bundle, { signal }));
    return oldest < (this.#oldest.get(bundle) ?? 0);
  }

  /** Whether the line goes on from what the archive is known to have: the usual case, in which the archive need not be asked. */
  async #goesOn({ release }: Latest, latest: Latest, signal: AbortSignal): Promise<boolean> {
    if (latest.release.number <= release.number) return false;
    return (await this.#options.store.release(release.bundle, release.number, { signal }))?.id === release.id;
  }

  /** @returns why the bundle cannot be archived */
  async #takeStep(
    archive: Store,
    copying: Copying,
    cluster: ClusterRecord,
    bundle: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { step, here, there } = await this.#compare(archive, bundle, true, signal);
    switch (step.kind) {
      case 'copy':
        await this.#copy(copying, cluster, { bundle, after: there, ...step }, signal);
        return undefined;
      case 'deepen':
        await copying.history(bundle);
        await this.#holds(cluster, there!, signal);
        return undefined;
      case 'refill': // not once publishers are let in
      case 'level':
        if (there) await this.#holds(cluster, there, signal);
        if (here && there?.release.id === here.release.id) await this.#followRollout(archive, there, here, signal);
        return undefined;
      case 'forked':
        return step.reason;
    }
  }

  /** One release after the other: the archive always holds the line up to somewhere. */
  async #copy(
    copying: Copying,
    cluster: ClusterRecord,
    { bundle, from, to, after }: Copy,
    signal: AbortSignal,
  ): Promise<void> {
    let last = after;
    for (let next = from; next <= to; next++) {
      const release = await this.#options.store.release(bundle, next, { signal });
      if (!release) continue; // collected before it could be copied
      const { head } = (next === to && (await this.#options.store.latest(bundle, { signal }))) || {};
      last = await copying.newest(release, last, head?.release === next ? head.rollout : undefined);
      await this.#holds(cluster, last, signal);
    }
  }

  async #holds(cluster: ClusterRecord, latest: Latest, signal: AbortSignal): Promise<void> {
    this.#heads.set(latest.release.bundle, latest);
    this.#copied++;
    await this.#told.record(cluster, cluster.settings.archive!, { heads: this.#heads }, signal);
  }

  /** What both have of a bundle, and what follows from it. */
  async #compare(
    archive: Store,
    bundle: string,
    isOpen: boolean,
    signal: AbortSignal,
  ): Promise<{ step: ArchiveStep; here: Latest | undefined; there: Latest | undefined }> {
    const { store, ensemble } = this.#options;
    const [here, there, record] = await Promise.all([
      store.latest(bundle, { signal }),
      archive.latest(bundle, { signal }),
      ensemble.archive({ signal }),
    ]);
    const meeting = Math.min(here?.release.number ?? 0, there?.release.number ?? 0);
    // what was copied once was part of this line, also where it is not kept any more
    const copied = record?.bundles.find((held) => held.bundle === bundle && held.release === meeting)?.id;
    const [ensembleLine, archiveLine] = await Promise.all([
      seen(store, here, meeting, copied, signal),
      seen(archive, there, meeting, undefined, signal),
    ]);
    if (ensembleLine) this.#oldest.set(bundle, ensembleLine.oldest);
    return { step: planArchive(ensembleLine, archiveLine, { isOpen }), here, there };
  }

  /** A fault of one bundle leaves the others alone. @param work tells what is wrong, or throws it */
  async #guarded(bundle: string, signal: AbortSignal, work: () => Promise<string | undefined>): Promise<void> {
    for (let isAgain = false; ; isAgain = true) {
      try {
        signal.throwIfAborted();
        const fault = await work();
        if (fault === undefined) this.#told.faults.delete(bundle);
        else this.#told.faults.set(bundle, fault);
        return;
      } catch (error) {
        this.#heads.delete(bundle);
        if (!(error instanceof StoreError && OF_A_BUNDLE.has(error.code))) throw error;
        // whoever led before may just have written what it had begun to
        if (error.code === 'CONFLICT' && !isAgain) continue;
        this.#told.faults.set(bundle, error.message);
        return;
      }
    }
  }

  async close(): Promise<void> {
    const archive = this.#archive;
    this.#archive = undefined;
    this.#heads.clear();
    this.#tags.clear();
    this.#wholeAt = 0;
    await archive?.close();
  }
}

async function seen(
  store: Store,
  latest: Latest | undefined,
  meeting: number,
  known: string | undefined,
  signal: AbortSignal,
): Promise<LineSeen | undefined> {
  if (!latest) return undefined;
  const { bundle, number: newest, id } = latest.release;
  const [kept, met] = await Promise.all([
    store.releases(bundle, { signal }),
    meeting === newest || meeting === 0 ? undefined : store.release(bundle, meeting, { signal }),
  ]);
  return { newest, oldest: oldestOf(newest, kept), met: meeting === newest ? id : (met?.id ?? known) };
}
