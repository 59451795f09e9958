import { access, constants } from 'node:fs/promises';
import { type ArchiveState, archiveState, openArchive, readStatus, type Settings } from '@quorate/agent';
import { openNamed } from '../context.ts';
import type { CliError } from '../exit.ts';
import { type Check, can } from './check.ts';

const CONNECT_MS = 5000;

export async function backups({ backup, state }: Settings): Promise<Check[]> {
  if (!backup) return [];
  const name = 'backups';
  const usable = await can(access(backup.to, constants.W_OK | constants.X_OK));
  if (!usable) {
    const advice = 'make the folder, mount the share, or name another under `backup:` in the settings';
    return [{ name, result: 'fail', detail: `${backup.to} is not there, or cannot be written by this user`, advice }];
  }
  const report = (await readStatus(state))?.backup;
  if (report?.state === 'failed')
    return [
      {
        name,
        result: 'warn',
        detail: report.detail ?? 'the last one failed',
        advice: '`quorate status` tells when the last one went well',
      },
    ];
  const last = report?.last;
  return [
    { name, result: 'ok', detail: last ? `${last.file}, found whole at ${last.time}` : `none yet in ${backup.to}` },
  ];
}

/** Any instance may come to lead, and then it is the one that copies. */
export async function archive(settings: Settings): Promise<Check[]> {
  const { archive: own, ensemble } = settings;
  if (!ensemble) return [];
  const name = 'archive';
  const checks: Check[] = [];
  const said = await stateOfArchive(settings);
  if (said && said.to !== own?.to) {
    const detail = `the ensemble archives to ${said.to}, and the settings of this machine name ${own?.to ?? 'none'}`;
    const advice =
      "name the ensemble's under `archive:` in the settings: after the loss of all machines they are what counts";
    checks.push({ name, result: 'warn', detail, advice });
  }
  const to = said?.to ?? own?.to;
  if (to === undefined) return checks;
  try {
    await using opened = await openArchive(to, { signal: AbortSignal.timeout(CONNECT_MS) });
    const bundles = await opened.bundles({ signal: AbortSignal.timeout(CONNECT_MS) });
    if (to.startsWith('dir:')) await access(to.slice('dir:'.length), constants.W_OK | constants.X_OK);
    checks.push({
      name,
      result: 'ok',
      detail: `${to} answers, ${bundles.length === 0 ? 'no bundles yet' : `bundles: ${bundles.join(', ')}`}`,
    });
  } catch (error) {
    const advice = `mend it, or see to this user's rights: should this machine come to lead, nothing is archived`;
    checks.push({ name, result: 'fail', detail: (error as Error).message, advice });
  }
  return checks;
}

/** What the ensemble says of its archive; undefined also while it cannot be asked, which is told apart from this. */
async function stateOfArchive(settings: Settings): Promise<ArchiveState | undefined> {
  try {
    await using store = await openNamed(settings, CONNECT_MS);
    return await archiveState(store);
  } catch {
    return undefined; // `storeReachable` tells why
  }
}

export async function storeReachable(settings: Settings): Promise<Check[]> {
  const { store } = settings;
  if (!store) return [];
  try {
    await using opened = await openNamed(settings, CONNECT_MS);
    const bundles = await opened.bundles();
    return [
      {
        name: 'store',
        result: 'ok',
        detail: `${store} answers, ${bundles.length === 0 ? 'no bundles yet' : `bundles: ${bundles.join(', ')}`}`,
      },
    ];
  } catch (error) {
    return [
      {
        name: 'store',
        result: 'fail',
        detail: (error as Error).message,
        advice: (error as CliError).hint ?? adviceFor(store),
      },
    ];
  }
}

function adviceFor(store: string): string {
  if (store.startsWith('s3:'))
    return 'check the network, the bucket, and what this machine may do there (docs/aws.md, Permissions)';
  return 'check the address, the network, and that a majority of the members runs';
}
