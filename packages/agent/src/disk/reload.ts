import { join } from 'node:path';
import type { Hook } from '@quorate/model';
import { runHook } from '../hooks/index.ts';
import type { StagedRelease, StagedTree } from './linking.ts';
import type { BundlePaths } from './paths.ts';

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
): Promise<string | undefined> {
  const { reload, health } = to.definition;
  return (await one(where, 'reload', reload, to, from)) ?? (await one(where, 'health', health, to, from));
}

/** Where the hook that runs now is noted, for an agent after us. */
export const hookRecord = (paths: BundlePaths): string => join(paths.folder, 'hook.json');

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
): Promise<string | undefined> {
  if (!hook) return undefined;
  const { paths } = where;
  const env = hookEnvironment(where, to, from);
  const result = await runHook(hook, { name, env, record: hookRecord(paths), log: join(paths.folder, 'hook.log') });
  if (result.ok) return undefined;
  return `${result.summary} (${hook.command})${result.output ? `\n${result.output}` : ''}`;
}
