import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { bundlePlace, lockState, openBundle } from '@quorate/agent';
import { Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { confirm } from '../output/ask.ts';
import { paint } from '../output/style.ts';

export interface UnmanageFlags extends GlobalFlags {
  readonly original?: boolean;
}

/** Plain files again, on this machine. */
export async function unmanage(bundle: string, flags: UnmanageFlags): Promise<number> {
  await using context = await Context.open(flags);
  const { settings } = context;
  const folder = await stat(join(settings.state, bundle)).catch(() => undefined); // told in the next line
  if (!folder)
    throw new CliError(
      EXIT.failed,
      `${bundle} is not managed on this machine (${settings.state})`,
      '`quorate status` lists what is',
    );
  await using _lock = await lockState(settings.state).catch((error: Error) => {
    throw new CliError(
      EXIT.failed,
      error.message,
      'stop the agent, or leave the bundle out of `bundles:` in its settings and restart it; then run this again',
      { cause: error },
    );
  });
  const opened = await openBundle(bundlePlace(settings, bundle));
  const what = flags.original
    ? 'what was there before Quorate'
    : `plain files of release ${opened.applied?.release.number ?? '(none)'}`;
  const root = opened.applied?.release.definition.root ?? 'its native paths';
  if (!(await confirm(`Leave ${what} at ${root} and take Quorate's hands off it?`, context.yes))) return EXIT.failed;
  await opened.unmanage({ original: flags.original ?? false });
  context.print(
    { bundle, unmanaged: true, original: flags.original ?? false },
    () =>
      `${paint('green', '✓')} ${root} has ${what}; Quorate keeps nothing of ${bundle} here. Other machines go on as before`,
  );
  return EXIT.done;
}
