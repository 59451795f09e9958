import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import {
  type DeploymentFault,
  type DeploymentPlace,
  decodeDeployment,
  deploymentOf,
  deploymentRelease,
  diffManifests,
  digestOf,
  paginate,
  planDeployment,
  type Release,
  withOwnFiles,
} from '@quorate/model';
import { type Latest, publishManifest, readManifest, type Store, VoteError } from '@quorate/store';
import type { WorkingSet } from '@quorate/store/merge';
import { AgentError } from '../errors.ts';

/** ms between looks at what is announced: how long a deployment waits at most */
const LOOK_MS = 30_000;

/** Where deployments are announced, and where they lie. What it throws says what to do. */
export interface DeploymentSource {
  /** by bundle; what cannot be understood is an error instead of a place */
  announced(signal: AbortSignal): Promise<ReadonlyMap<string, DeploymentPlace | Error>>;
  read(place: DeploymentPlace, signal: AbortSignal): Promise<Uint8Array>;
}

export interface DeploymentsOptions {
  readonly store: Store;
  readonly source: DeploymentSource;
  readonly log: (line: string) => void;
  /** told what is not published, and why, whenever that changes; at the end nothing, which is then for another machine to tell */
  readonly report?: ((faults: readonly DeploymentFault[]) => void) | undefined;
  /** ms between looks, for tests */
  readonly lookMs?: number;
}

/** ms until a deployment that the fleet did not take is offered again: what was wrong with an instance may be mended */
const AGAIN_MS = 300_000;

const AUTHOR = 'deployment';
const PATHS_SHOWN = 10;
/** Characters of a reason that others are shown; the log has it whole. */
const REASON_MOST = 2000;

/**
 * Publishes what is deployed, while this machine leads. Level-triggered: what is announced is compared with the line of releases, and only what the line has not had
 * is published, as it is. Nothing that others published since the last deployment is lost by it: either it is in what is deployed too, or that is not published. Two
 * at once do no harm: one gets a conflict and looks again. Never throws; ends with the signal.
 */
export async function keepDeployments(
  { lookMs = LOOK_MS, ...options }: DeploymentsOptions,
  signal: AbortSignal,
): Promise<void> {
  const keeper = new Keeper(options);
  let shown = '[]';
  const show = (faults: readonly DeploymentFault[]): void => {
    const text = JSON.stringify(faults);
    if (text !== shown) options.report?.(faults);
    shown = text;
  };
  while (!signal.aborted) {
    await keeper.look(signal);
    show(keeper.faults);
    await delay(lookMs * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => undefined); // ended by the signal: so is the loop
  }
  show([]);
}

class Keeper {
  readonly #options: DeploymentsOptions;
  /** the deployment of each bundle that is done with */
  readonly #done = new Map<string, string>();
  /** the deployment of each bundle that the fleet did not take, and when, on the monotonic clock in ms */
  readonly #refused = new Map<string, { readonly sha256: string; readonly error: VoteError; readonly when: number }>();
  /** what was last said of each bundle, and of all under '' */
  readonly #said = new Map<string, string>();

  constructor(options: DeploymentsOptions) {
    this.#options = options;
  }

  get faults(): DeploymentFault[] {
    return [...this.#said].map(([bundle, message]) => {
      const reason = message.length > REASON_MOST ? `${message.slice(0, REASON_MOST)}…` : message;
      return bundle === '' ? { reason } : { bundle, reason };
    });
  }

  async look(signal: AbortSignal): Promise<void> {
    await this.#guarded('', signal, async () => {
      const announced = await this.#options.source.announced(signal);
      for (const bundle of this.#said.keys()) if (bundle !== '' && !announced.has(bundle)) this.#said.delete(bundle);
      for (const [bundle, place] of announced) {
        await this.#guarded(bundle, signal, async () => {
          if (place instanceof Error) throw place;
          if (this.#done.get(bundle) === place.sha256) return;
          await this.#offer(bundle, place, signal);
          this.#done.set(bundle, place.sha256);
        });
      }
    });
  }

  /** @throws VoteError when the fleet does not take it, or did not a moment ago */
  async #offer(bundle: string, place: DeploymentPlace, signal: AbortSignal): Promise<void> {
    const before = this.#refused.get(bundle);
    if (before?.sha256 === place.sha256 && performance.now() - before.when < AGAIN_MS) throw before.error;
    try {
      await this.#deploy(bundle, place, signal);
    } catch (error) {
      if (error instanceof VoteError)
        this.#refused.set(bundle, { sha256: place.sha256, error, when: performance.now() });
      throw error;
    }
  }

  /** A fault of one bundle leaves the others alone, and is told once. */
  async #guarded(bundle: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#said.delete(bundle);
    } catch (error) {
      const { message } = error as Error;
      if (signal.aborted || this.#said.get(bundle) === message) return;
      this.#said.set(bundle, message);
      this.#options.log(`warn  deployment${bundle ? ` of ${bundle}` : 's'}: ${message}`);
    }
  }

  async #deploy(bundle: string, place: DeploymentPlace, signal: AbortSignal): Promise<void> {
    const { store, source, log } = this.#options;
    const head = await store.latest(bundle, { signal });
    const last = head && (await lastDeployment(store, head.release, signal));
    const step = planDeployment(place.sha256, head?.release, last);
    if (step.kind === 'none') return;
    const { contents, ...deployed } = decodeDeployment(await source.read(place, signal), { bundle, ...place });
    const before = head ? await readManifest(store, head.release, { signal }) : [];
    const manifest = withOwnFiles(before, deployed.manifest);
    const ours: WorkingSet = { ...deployed, manifest, read: async (hash) => contents.get(hash)! };
    if (step.kind === 'compare') mustBe(head!.release, ours);
    if (step.kind === 'follow') await mustContain(store, ours, step.last, head!, signal);
    const what = {
      ...ours,
      bundle,
      ...(head ? { base: head } : {}),
      author: AUTHOR,
      message: `deployment ${place.sha256.slice(0, 12)}`,
      id: deploymentRelease(place.sha256, head?.release),
      evenUnchanged: true, // who has published just that by hand is followed from now on
    } as const;
    const { release } = await publishManifest(store, what, { signal, vote: {} });
    log(`info  deployment of ${bundle}: it is release ${release.number}`);
  }
}

/** The newest release of a line that came from a deployment, as far as it is kept. */
async function lastDeployment(store: Store, head: Release, signal: AbortSignal): Promise<Release | undefined> {
  let release: Release | undefined = head;
  while (release && deploymentOf(release) === undefined)
    release = release.number > 1 ? await store.release(release.bundle, release.number - 1, { signal }) : undefined;
  return release;
}

/** @throws AgentError DEPLOYMENT_REFUSED unless a release holds just what is deployed */
function mustBe({ bundle, number, author, digest }: Release, { definition, manifest }: WorkingSet): void {
  if (digestOf(definition, paginate(manifest)) === digest) return;
  throw new AgentError(
    'DEPLOYMENT_REFUSED',
    `release ${number} by ${author} does not come from a deployment, and is not what is deployed; nothing was published. Publish the folder of the deployment by hand once (quorate publish ${bundle} FOLDER): from then on deployments follow it`,
  );
}

/** @throws AgentError DEPLOYMENT_REFUSED if it would take away what others published since the last deployment */
async function mustContain(
  store: Store,
  ours: WorkingSet,
  last: Release,
  head: Latest,
  signal: AbortSignal,
): Promise<void> {
  const { mergeOnto } = await import('@quorate/store/merge');
  const merged = await mergeOnto(store, last, head, ours, { signal });
  const lost = 'open' in merged ? merged.open : diffManifests(merged.manifest, ours.manifest);
  const { bundle, number, author } = head.release;
  const paths = lost.slice(0, PATHS_SHOWN).map(({ path }) => path);
  if (lost.length > PATHS_SHOWN) paths.push(`and ${lost.length - PATHS_SHOWN} more`);
  if (!('open' in merged) && !isDeepStrictEqual(merged.definition, ours.definition)) paths.push('the definition');
  if (paths.length === 0) return;
  throw new AgentError(
    'DEPLOYMENT_REFUSED',
    `it would undo what was published since release ${last.number}, up to release ${number} by ${author} (${paths.join(', ')}); nothing was published. Look at it (quorate diff ${bundle} ${last.number}..${number}), take it over into the folder of the deployment, and deploy again; or publish that folder by hand (quorate publish ${bundle} FOLDER)`,
  );
}
