import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChecks, runHook } from '@quorate/agent';
import { describeVerdict, type FileEntry, type Hook, markTemplates, nativeEntries, type Verdict } from '@quorate/model';
import type { Context } from './context.ts';
import { CliError, EXIT } from './exit.ts';
import { paint } from './output/style.ts';
import type { Working } from './publishing.ts';
import { writeTree } from './tree.ts';

/**
 * What can be said of a set of files on the publisher's own machine, before anybody else is asked: the bundle's built-in checks, but for templates, which
 * are not rendered yet, and the policy command of this machine's settings.
 * @throws CliError refused
 */
export async function judgeHere(context: Context, bundle: string, working: Working): Promise<void> {
  const { definition, read } = working;
  const manifest = markTemplates(definition, working.manifest);
  const refuse = (verdict: Verdict, hint: string): void => {
    if (verdict.note) context.say(paint('yellow', verdict.note));
    if (verdict.ok) return;
    const { note: _, ...no } = verdict;
    if (context.json) context.print({ bundle, published: false, refused: verdict }, () => '');
    throw new CliError(EXIT.refused, `nothing was published: ${describeVerdict(no)}`, hint);
  };
  const readEntry = ({ sha256 }: FileEntry): Promise<Uint8Array> => read(sha256);
  const native = nativeEntries(manifest).filter((entry) => entry.kind !== 'file' || entry.template !== true);
  const checked = await runChecks(definition, { manifest: native, read: readEntry }, { manifest, read: readEntry });
  refuse(checked, 'mend the file; the checks are those of the definition of the bundle (`checks:`)');
  const { policy } = context.settings;
  if (policy)
    refuse(
      await askPolicy(policy, bundle, { ...working, manifest }),
      'the command is `policy:` of the settings of this machine',
    );
}

/** The command gets a copy of all files, as its working folder. It is this machine's own, so it has the environment of whoever publishes. */
async function askPolicy(policy: Hook, bundle: string, { manifest, definition, read }: Working): Promise<Verdict> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-policy-'));
  try {
    const staged = join(folder, 'files');
    await mkdir(staged);
    await writeTree(staged, manifest, ({ sha256 }) => read(sha256));
    const given = Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
    const told = { QUORATE_BUNDLE: bundle, QUORATE_STAGED: staged, QUORATE_NATIVE: definition.root };
    const { ok, summary, exit, output } = await runHook(
      { ...policy, command: `cd "$QUORATE_STAGED" || exit 1\n${policy.command}` },
      {
        name: 'policy',
        env: { ...Object.fromEntries(given), ...told },
        record: join(folder, 'hook.json'),
        log: join(folder, 'hook.log'),
      },
    );
    if (ok) return { ok };
    const { command } = policy;
    return {
      ok,
      by: 'policy',
      reason: summary,
      command,
      ...(exit === undefined ? {} : { exit }),
      ...(output ? { output } : {}),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
