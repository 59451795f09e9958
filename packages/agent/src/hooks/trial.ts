import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNamespace } from './namespace.ts';

/** Tries what a validation needs, in a folder of its own. @returns why it is not possible for this process, or undefined */
export async function whyNoNamespace(): Promise<string | undefined> {
  if (process.geteuid?.() !== 0) return 'only root may make them';
  const folder = mkdtempSync(join(tmpdir(), 'quorate-namespace-'));
  const [at, layer] = [join(folder, 'native'), join(folder, 'layer')];
  try {
    for (const made of [at, layer]) mkdirSync(made);
    const overlays = [{ at, layers: [layer], goneFiles: [], goneFolders: [] }];
    const run = { name: 'trial', env: {}, record: join(folder, 'hook.json'), log: join(folder, 'hook.log') };
    const result = await runInNamespace(
      { command: 'true', timeout: 10 },
      { ...run, folder: join(folder, 'run'), overlays },
    );
    return result.blocked ?? (result.ok ? undefined : result.summary);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
