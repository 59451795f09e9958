import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Hook, Verdict } from '@quorate/model';
import { type HookResult, runHook, runInNamespace, stopValidateUnit, validateUnit } from '../hooks/index.ts';
import type { BundleState } from './bundle-state.ts';
import type { Move } from './linking.ts';
import { viewAfter } from './native-view.ts';
import type { BundlePaths } from './paths.ts';
import { hookEnvironment, hookRecord } from './reload.ts';

/** A command that reads the staged files by this variable can be asked where their native paths cannot be shown to it. */
const STAGED = 'QUORATE_STAGED';

const folderOf = (paths: BundlePaths): string => join(paths.folder, 'validate');

/**
 * Runs the validate command of a release that is staged, so that it finds the release's files at their native paths while everybody else finds what is live.
 * Where this machine does not allow that, a command that knows QUORATE_STAGED gets the staged folder by it, and the verdict tells.
 */
export async function validate(at: BundleState, move: Move): Promise<Verdict> {
  const { validate: hook } = move.to.definition;
  const { bundle, root, state, hooks, signal } = at.options;
  if (!hook || hooks === false) return { ok: true };
  const { paths } = at;
  const folder = folderOf(paths);
  const run = {
    name: 'validate',
    env: hookEnvironment({ paths, bundle, root, state }, move.to, move.from),
    record: hookRecord(paths),
    log: join(paths.folder, 'hook.log'),
    signal,
  };
  rmSync(folder, { recursive: true, force: true });
  try {
    let blocked = 'the agent does not run as root';
    if (process.geteuid?.() === 0) {
      const layer = join(folder, 'layer');
      mkdirSync(layer, { recursive: true, mode: 0o700 });
      const overlays = viewAfter(at, move, layer);
      const result = await runInNamespace(hook, { ...run, folder, overlays, unit: validateUnit(bundle) });
      if (result.blocked === undefined) return verdictOf(hook, result);
      blocked = result.blocked;
    }
    const why = `mount namespaces cannot be used here (${blocked})`;
    if (!hook.command.includes(STAGED))
      return { ok: true, note: `not validated: ${why}, and the validate command does not read $${STAGED}` };
    const env = { ...run.env, [STAGED]: paths.tree(move.to.name) };
    return { ...verdictOf(hook, await runHook(hook, { ...run, env })), note: `validated by $${STAGED} only: ${why}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Clears away what a validation left that was cut off: its namespace ended with the agent before. */
export async function clearValidation({ paths, options }: BundleState): Promise<void> {
  const unit = validateUnit(options.bundle);
  if (unit) await stopValidateUnit(unit).catch(() => undefined); // systemd ends it with the agent's unit as well
  rmSync(folderOf(paths), { recursive: true, force: true });
}

function verdictOf(hook: Hook, { ok, summary, exit, output }: HookResult): Verdict {
  if (ok) return { ok };
  const { command } = hook;
  return {
    ok,
    by: 'validate',
    reason: summary,
    command,
    ...(exit === undefined ? {} : { exit }),
    ...(output ? { output } : {}),
  };
}
