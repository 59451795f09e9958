import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { factsOf } from '@quorate/model';
import { type LoneVoter, type Store, StoreError } from '@quorate/store';
import { placeBeside } from './disk/index.ts';
import { bundlePlace, machineOf, managedBundles } from './own-disk.ts';
import type { Settings } from './settings/index.ts';
import { describeInstance, readStatus } from './status-file.ts';
import { FleetWatch } from './templates/index.ts';

/**
 * This machine as the voter on a store that cannot tell which machines live. It judges beside its own agent, which may run: in a folder of its own, which
 * is gone after, and with what that agent knows of this machine.
 * @param adopting whether it becomes an instance that runs the bundle when that is published
 * @returns or why it has no say, in words: it is no instance that runs the bundle, or what it would say is not what its agent says
 */
export async function loneVoter(
  settings: Settings,
  store: Store,
  bundle: string,
  { adopting = false } = {},
): Promise<LoneVoter | string> {
  const status = await readStatus(settings.state).catch((error: Error) => error);
  const why = adopting ? undefined : await whyNot(settings, store, bundle, status);
  if (why !== undefined) return why;
  const isKnown = status && !(status instanceof Error) && sameStore(status.store.url, store.url);
  const self = isKnown ? status.instance : describeInstance(settings, {});
  const fleet = new FleetWatch();
  fleet.ask(store);
  const machine = machineOf(settings, fleet.members, factsOf(self));
  const judge: LoneVoter['judge'] = async (release, content, { signal, plan = false }) => {
    using folder = new OwnFolder();
    signal?.throwIfAborted();
    try {
      const place = { ...bundlePlace(settings, bundle), machine, ...(signal ? { signal } : {}) };
      return await placeBeside(place, folder.path).offer(release, content, { plan });
    } catch (error) {
      if (error instanceof StoreError && error.code !== 'CORRUPT') throw error;
      return { ok: false, by: 'staging', reason: (error as Error).message };
    } finally {
      signal?.throwIfAborted(); // what came of it then is no verdict
    }
  };
  return { instance: self.id, judge };
}

async function whyNot(
  { state, bundles }: Settings,
  store: Store,
  bundle: string,
  status: Awaited<ReturnType<typeof readStatus>> | Error,
): Promise<string | undefined> {
  if (status instanceof Error) return `what the agent of this machine says cannot be read: ${status.message}`;
  if (!status) return 'this machine is no instance of it: no agent has run here';
  if (!sameStore(status.store.url, store.url))
    return `this machine is an instance of another one, ${status.store.url || 'without a name'}`;
  if (bundles && !bundles.includes(bundle)) return `this machine does not run ${bundle} (\`bundles:\` of its settings)`;
  if (!status.running && !(await managedBundles(state)).includes(bundle))
    return `this machine does not run ${bundle}: its agent is stopped, and no release is applied here`;
  const { uid } = await stat(state);
  if (process.geteuid!() === 0 || process.geteuid!() === uid) return undefined;
  return `only user ${uid}, as whom the agent of this machine runs, or root can try a release here as it does (sudo)`;
}

/** Whether two URLs name one store. */
function sameStore(a: string, b: string): boolean {
  return placeOf(a) === placeOf(b);
}

/** Without what says how it is reached. */
function placeOf(url: string): string {
  if (!url.startsWith('dir:')) return url.replace(/\?.*$/, '').replace(/\/+$/, '');
  const folder = resolve(url.slice('dir:'.length));
  try {
    return realpathSync(folder);
  } catch {
    return folder; // it is not there, so it is no other one either
  }
}

/** A folder for one judgement, which is gone after it, also where this process is ended in the middle of it. */
class OwnFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'quorate-vote-'));
  readonly #umask = process.umask(0o022);
  readonly #clear = (): void => clear(this.path);

  constructor() {
    process.once('exit', this.#clear);
    chmodSync(this.path, 0o755); // as the agent's own: a command may go on as another user
  }

  [Symbol.dispose](): void {
    process.umask(this.#umask);
    process.off('exit', this.#clear);
    this.#clear();
  }
}

function clear(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // a release may have folders that its owner may not write to
    execFileSync('chmod', ['-R', 'u+rwX', folder]);
    rmSync(folder, { recursive: true, force: true });
  }
}
