import { appendFile, mkdir, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { InstanceStatus } from '@quorate/model';
import type { Store } from '@quorate/store';
import type { ArchiveState } from '../archive/index.ts';
import type { MetricsSettings } from '../settings/index.ts';

/** Bytes of a file until it becomes FILE.1 in place of the one before: about a week of lines. */
const FILE_MOST = 4 * 1024 * 1024;
/** ms for what the ensemble is asked */
const ASK_MS = 5000;

/** What an agent knows when it measures. */
export interface Measured {
  readonly instance: InstanceStatus;
  /** `cluster` of the dimension: the cluster's id, or the store's URL where there is none */
  readonly cluster: string;
  readonly reachable: boolean;
  /** whether a member is to run here, and does not serve */
  readonly memberDown: boolean;
  /** of the whole fleet: told by the machine whose server leads */
  readonly fleet?: {
    readonly instances: number;
    readonly voters: number;
    /** voters that do not serve */
    readonly votersMissing: number;
    readonly unsettled: boolean;
    /** releases that the archive lacks; undefined without one */
    readonly archiveBehind?: number | undefined;
    /** deployments that are not published; undefined where none are looked for */
    readonly undeployed?: number | undefined;
  };
}

type Unit = 'Count' | 'Milliseconds';

/**
 * One line of the embedded metric format: CloudWatch makes metrics of it when it arrives in a log. One dimension, the cluster: each further
 * combination would be a metric to pay for. The instance stands beside them, to be searched for.
 * @param now ms since 1970, as CloudWatch wants it: shown there, and decides nothing here
 */
export function metricLine(
  { instance, cluster, reachable, memberDown, fleet }: Measured,
  namespace: string,
  now: number,
): string {
  const notApplied = Object.values(instance.bundles).filter(
    ({ state, applied, target }) => state !== 'applied' || applied !== target,
  );
  const offset = instance.clock && Math.abs(instance.clock.offset);
  const values: [name: string, unit: Unit, value: number | undefined][] = [
    ['NotApplied', 'Count', notApplied.length],
    ['Unreachable', 'Count', Number(!reachable)],
    ['MemberDown', 'Count', Number(memberDown)],
    ['ClockOffset', 'Milliseconds', offset],
    ['Leader', 'Count', fleet && 1],
    ['Instances', 'Count', fleet?.instances],
    ['Voters', 'Count', fleet?.voters],
    ['VotersMissing', 'Count', fleet?.votersMissing],
    ['Unsettled', 'Count', fleet && Number(fleet.unsettled)],
    ['ArchiveBehind', 'Count', fleet?.archiveBehind],
    ['Undeployed', 'Count', fleet?.undeployed],
  ];
  const told = values.filter(([, , value]) => value !== undefined);
  const metrics = told.map(([Name, Unit]) => ({ Name, Unit }));
  return JSON.stringify({
    _aws: {
      Timestamp: now,
      CloudWatchMetrics: [{ Namespace: namespace, Dimensions: [['Cluster']], Metrics: metrics }],
    },
    Cluster: cluster,
    Instance: instance.id,
    ...(instance.zone ? { Zone: instance.zone } : {}),
    ...Object.fromEntries(told.map(([name, , value]) => [name, value])),
  });
}

/** What the machine whose server leads tells of all. @throws StoreError, or the signal's reason */
export async function measureFleet(
  { ensemble }: Store,
  archive: ArchiveState | undefined,
  signal: AbortSignal,
): Promise<Measured['fleet']> {
  if (!ensemble) return undefined;
  const options = { signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]) };
  const [{ members }, machines, plan] = await Promise.all([
    ensemble.configuration(options),
    ensemble.machines(options),
    ensemble.plan(options),
  ]);
  const serving = new Set(machines.filter(({ member }) => member?.state === 'serving').map(({ member }) => member!.id));
  const voters = members.filter(({ role }) => role === 'voter');
  return {
    instances: machines.length,
    voters: voters.length,
    votersMissing: voters.filter(({ id }) => !serving.has(id)).length,
    unsettled: plan?.settled !== true,
    archiveBehind: archive?.behind,
  };
}

/** Tells again and again, until the signal. What cannot be measured or written is told once, and nothing depends on it. */
export async function tellMetrics(
  { to, namespace, every }: MetricsSettings,
  measure: () => Promise<Measured>,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let said = '';
  while (!signal.aborted) {
    await delay(every * 1000, undefined, { signal }).catch(() => undefined); // ended by the signal: the loop sees it
    if (signal.aborted) return;
    try {
      await write(to, metricLine(await measure(), namespace, Date.now()));
      said = '';
    } catch (error) {
      const { message } = error as Error;
      if (!signal.aborted && message !== said) log(`warn  metrics: ${message}`);
      said = message;
    }
  }
}

async function write(to: string, line: string): Promise<void> {
  if (to === 'stdout') return void process.stdout.write(`${line}\n`);
  await mkdir(dirname(to), { recursive: true });
  const size = await stat(to).then(
    (found) => found.size,
    () => 0, // nothing there yet
  );
  if (size > FILE_MOST) await rename(to, `${to}.1`);
  await appendFile(to, `${line}\n`, { mode: 0o644 });
}
