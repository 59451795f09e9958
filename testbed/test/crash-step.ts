// One step of an agent on a machine in a folder, as a process of its own that can be killed. The folder holds the store, the machine's root, its state,
// and where templates are rendered `fleet.json`, who is there, and `identity`, which reads secrets.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  Agent,
  type ApplyResult,
  applyOnce,
  type Bundle,
  bundlePlace,
  lockState,
  openBundle,
  readStatus,
  type Settings,
  secretReader,
  type TemplateMachine,
} from '@quorate/agent';
import { type FleetMember, fleetOf, type Verdict } from '@quorate/model';
import { mustLatest, openStore, readManifest, type Store } from '@quorate/store';
import { tracedFromHere } from '../src/traced.ts';
import { until } from '../src/until.ts';

/**
 * `apply`: what the head says. `offer`: a candidate is judged, `offer-apply`: and becomes live; `render`: the head's release, by what this machine knows now.
 * `restore`: edits are put back; `adopt`: an agent runs until what was edited is settled, and the newest release is in place.
 */
export type Step =
  | 'apply'
  | 'offer'
  | 'offer-apply'
  | 'render'
  | 'restore'
  | 'adopt'
  | 'unmanage'
  | 'unmanage-original';

/** What came of a step, in the words of a bundle's state. */
export interface Done {
  readonly state: string;
  readonly detail?: string | undefined;
}

export async function runStep(folder: string, step: Step, lines: string[] = []): Promise<Done | undefined> {
  const settings = settingsOf(folder);
  const log = (line: string): void => {
    lines.push(line);
  };
  if (step === 'apply') return (await applyOnce(settings, { only: ['web'], log })).bundles.web;
  if (step === 'adopt') return adopted(settings, log);
  await using _lock = await lockState(settings.state, { holder: 'agent' });
  const machine = step === 'render' ? machineOf(folder, settings) : undefined;
  const bundle = await openBundle({ ...bundlePlace(settings, 'web', log), ...(machine ? { machine } : {}) });
  if (step === 'unmanage' || step === 'unmanage-original') {
    await bundle.unmanage({ original: step === 'unmanage-original' });
    return undefined;
  }
  try {
    if (step === 'restore') {
      const fault = await bundle.drift.restore((await bundle.drift.look('full'))?.edits ?? []);
      return { state: 'applied', detail: fault };
    }
    await using store = await openStore(settings.store!);
    if (step === 'render') return await apply(bundle, store);
    const verdict = await offer(bundle, store);
    return step === 'offer' ? { state: verdict.ok ? 'offered' : 'refused' } : await apply(bundle, store);
  } finally {
    bundle.close();
  }
}

const settingsOf = (folder: string): Settings => ({
  store: `dir:${join(folder, 'store')}`,
  root: join(folder, 'root'),
  state: join(folder, 'state'),
  instance: 'crashing',
  secrets: { identity: join(folder, 'identity') },
});

function machineOf(folder: string, settings: Settings): TemplateMachine {
  const names = JSON.parse(readFileSync(join(folder, 'fleet.json'), 'utf8')) as string[];
  const fleet: FleetMember[] = fleetOf(names.map((id) => ({ id, host: id, tags: {} })));
  return {
    instance: { id: 'crashing', host: 'a', tags: {} },
    fleet: async () => fleet,
    secret: secretReader(settings),
  };
}

async function apply(bundle: Bundle, store: Store): Promise<ApplyResult> {
  const { release } = await mustLatest(store, 'web');
  return bundle.apply(release, { manifest: () => readManifest(store, release), blob: (ref) => store.blob(ref) });
}

async function offer(bundle: Bundle, store: Store): Promise<Verdict> {
  const { release } = await mustLatest(store, 'web');
  return bundle.offer(release, { manifest: () => readManifest(store, release), blob: (ref) => store.blob(ref) });
}

/** The second release is in place, whether it came from the edit or before it, and nothing is to be done any more. */
async function adopted(settings: Settings, log: (line: string) => void): Promise<Done> {
  rmSync(join(settings.state, 'status.json'), { force: true }); // of an agent before this one
  const ends = new AbortController();
  const running = new Agent(settings, { log }).run(ends.signal);
  try {
    return await until('the edit is settled', async () => {
      const web = (await readStatus(settings.state))?.instance.bundles.web;
      return web?.state === 'applied' && web.applied === 2 && (web.drift?.edits ?? 0) === 0 && web;
    });
  } finally {
    ends.abort();
    await running;
  }
}

if (import.meta.main) {
  tracedFromHere();
  await runStep(process.argv[2]!, process.argv[3] as Step);
}
