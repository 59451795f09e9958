import { join } from 'node:path';
import type { OwnState } from './aws/life-cycle.ts';
import type { BundleWorker } from './bundle-worker.ts';
import { readIdentity } from './ensemble/identity.ts';
import type { MemberReport } from './ensemble/judge.ts';
import { LEFT } from './ensemble/manager.ts';

/**
 * How a machine's configuration stands as a whole: what one bundle lacks, the machine lacks.
 * @param listed whether the store's bundles were listed once
 */
export function configurationOf(
  listed: boolean,
  workers: readonly Pick<BundleWorker, 'name' | 'status' | 'isThere'>[],
): Pick<OwnState, 'configuration' | 'failure'> {
  if (!listed) return { configuration: 'unknown' };
  // a bundle without a release keeps nobody
  const published = workers.filter(({ isThere }) => isThere);
  const waiting = published.filter(({ status }) => status.state !== 'applied');
  const failed = waiting.find(({ status }) => status.state !== 'applying' && status.state !== 'unreachable');
  if (failed) {
    const { state, detail } = failed.status;
    return { configuration: 'failed', failure: `${failed.name}: ${detail?.split('\n')[0] ?? state}` };
  }
  if (waiting.length > 0) return { configuration: 'applying' };
  return { configuration: published.length > 0 ? 'applied' : 'none' };
}

/** A machine's place in its ensemble. Who holds no server id has no data that others need. */
export async function placeOf(state: string, report: MemberReport | undefined): Promise<OwnState['place']> {
  if (report?.state === 'absent' && report.detail === LEFT) return 'left';
  return (await readIdentity(join(state, 'member')))?.id === undefined ? 'none' : 'member';
}
