import { join } from 'node:path';
import { type Hook, settleSeconds } from '@quorate/model';
import { checkWeb } from '../health/index.ts';
import { runHook } from '../hooks/index.ts';
import type { StagedRelease, StagedTree } from './linking.ts';
import type { BundlePaths } from './paths.ts';
import type { Reading } from './reading.ts';

export interface Reloading {
  readonly paths: BundlePaths;
  readonly bundle: string;
  readonly root: string;
  readonly state: string;
}

/**
 * Has the application read what native paths resolve to now, and asks for its health.
 * @returns what failed, in words
 */
export async function reload(
  where: Reloading,
  to: StagedTree,
  from: StagedRelease | undefined,
  reading: Reading,
): Promise<string | undefined> {
  const fault = await one(where, 'reload', to.definition.reload, to, from);
  reading.begin(settleSeconds(to.definition)); // also where it failed: nobody knows what it had told by then
  return fault ?? (await askHealth(where, to, from));
}

/**
 * Asks an application for its health, by the command and by HTTP as its definition has it.
 * @param files the names of the record and of the output; of hooks that run beside an apply others than its own
 * @returns what is wrong, in words
 */
export async function askHealth(
  where: Reloading,
  to: StagedTree,
  from: StagedRelease | undefined,
  files = HOOK_FILES,
): Promise<string | undefined> {
  const { command, timeout, http } = to.definition.health ?? {};
  const hook = command === undefined ? undefined : { command, ...(timeout === undefined ? {} : { timeout }) };
  const fault = await one(where, 'health', hook, to, from, files);
  if (fault !== undefined || !http) return fault;
  const wrong = await checkWeb(http);
  return wrong === undefined ? undefined : `health: ${wrong}`;
}

/** Of hooks that an apply runs: one after the other, so that one name serves. Those that run beside it have others. */
const HOOK_FILES = { record: 'hook.json', log: 'hook.log' };
export const WATCH_FILES = { record: 'health.json', log: 'health.log' };

/** Where the hook that runs now is noted, for an agent after us. */
export const hookRecord = (paths: BundlePaths): string => join(paths.folder, HOOK_FILES.record);

/** What a hook is told. */
export function hookEnvironment(
  { bundle, root, state }: Reloading,
  to: StagedTree,
  from: StagedRelease | undefined,
): Record<string, string> {
  return {
    QUORATE_BUNDLE: bundle,
    QUORATE_RELEASE: String(to.number),
    QUORATE_PREVIOUS: String(from?.number ?? 0),
    QUORATE_ROOT: root,
    QUORATE_STATE: state,
  };
}

async function one(
  where: Reloading,
  name: string,
  hook: Hook | undefined,
  to: StagedTree,
  from: StagedRelease | undefined,
  files = HOOK_FILES,
): Promise<string | undefined> {
  if (!hook) return undefined;
  const { paths } = where;
  const env = hookEnvironment(where, to, from);
  const [record, log] = [join(paths.folder, files.record), join(paths.folder, files.log)];
  const result = await runHook(hook, { name, env, record, log });
  if (result.ok) return undefined;
  return `${result.summary} (${hook.command})${result.output ? `\n${result.output}` : ''}`;
}
