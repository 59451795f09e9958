// One step of an agent on a machine in a folder, as a process of its own that can be killed: `apply`, `restore`, `unmanage` or `unmanage-original`.
// The folder holds the store, the machine's root, and its state.
import { join } from 'node:path';
import { type AppliedOnce, applyOnce, bundlePlace, lockState, openBundle, type Settings } from '@quorate/agent';
import { tracedFromHere } from '../src/traced.ts';

export type Step = 'apply' | 'restore' | 'unmanage' | 'unmanage-original';

export async function runStep(folder: string, step: Step, lines: string[] = []): Promise<AppliedOnce | undefined> {
  const settings: Settings = {
    store: `dir:${join(folder, 'store')}`,
    root: join(folder, 'root'),
    state: join(folder, 'state'),
    instance: 'crashing',
  };
  const log = (line: string): void => {
    lines.push(line);
  };
  if (step === 'apply') return applyOnce(settings, { only: ['web'], log });
  await using _lock = await lockState(settings.state);
  const bundle = await openBundle(bundlePlace(settings, 'web', log));
  if (step === 'restore') {
    await bundle.drift.restore((await bundle.drift.look('full'))?.edits ?? []);
    bundle.close();
    return undefined;
  }
  await bundle.unmanage({ original: step === 'unmanage-original' });
  return undefined;
}

if (import.meta.main) {
  tracedFromHere();
  await runStep(process.argv[2]!, process.argv[3] as Step);
}
