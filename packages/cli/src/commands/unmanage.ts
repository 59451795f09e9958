import { bundlePlace, isLocked, lockState, managedBundles, openBundle } from '@quorate/agent';
import { checkBundleName } from '@quorate/model';
import { Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { confirm } from '../output/ask.ts';
import { paint } from '../output/style.ts';

export interface UnmanageFlags extends GlobalFlags {
  readonly original?: boolean;
}

/** Plain files again, on this machine. */
export async function unmanage(bundle: string, flags: UnmanageFlags): Promise<number> {
  checkBundleName(bundle);
  await using context = await Context.open(flags);
  const { settings } = context;
  const managed = await managedBundles(settings.state).catch((): string[] => []); // no state folder: nothing is
  if (!managed.includes(bundle))
    throw new CliError(
      EXIT.failed,
      `${bundle} is not managed on this machine (${settings.state})`,
      managed.length > 0 ? `what is: ${managed.join(', ')}` : 'nothing is; --state names another state folder',
    );
  await using _lock = await lockState(settings.state, { holder: 'command' }).catch(async (error: Error) => {
    const hint = (await isLocked(settings.state)) ? 'stop the agent, then run this again' : 'run this again after that';
    throw new CliError(EXIT.failed, error.message, hint, { cause: error });
  });
  const opened = await openBundle(bundlePlace(settings, bundle));
  const what = flags.original
    ? 'what was there before Quorate'
    : `plain files of release ${opened.applied?.release.number ?? '(none)'}`;
  const root = opened.applied?.release.definition.root ?? 'its native paths';
  if (!(await confirm(`Leave ${what} at ${root} and take Quorate's hands off it?`, context.yes))) {
    context.say('nothing was changed');
    return EXIT.failed;
  }
  await opened.unmanage({ original: flags.original ?? false });
  context.print(
    { bundle, unmanaged: true, original: flags.original ?? false },
    () =>
      `${paint('green', '✓')} ${root} has ${what}; Quorate keeps nothing of ${bundle} here. Other machines go on as before\n` +
      `→ an agent here takes ${bundle} up again unless \`bundles:\` in the settings lists only others`,
  );
  return EXIT.done;
}
