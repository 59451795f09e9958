import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import {
  type BundleStatus,
  decodeStatus,
  type InstancePlace,
  type InstanceStatus,
  STATUS_FORMAT,
} from '@quorate/model';
import type { ArchiveState } from './archive/index.ts';
import type { LifeCycleReport } from './aws/life-cycle.ts';
import type { BackupReport } from './backup-timer.ts';
import type { MemberState } from './ensemble/judge.ts';
import { lives, type ProcessIdentity } from './ensemble/process.ts';
import type { Settings } from './settings/index.ts';
import { ownFacts } from './templates/index.ts';
import { VERSION } from './version.ts';

/** What the agent says on this machine, for those who ask without a network. */
export interface LocalStatus {
  readonly instance: InstanceStatus;
  readonly store: { readonly url: string; readonly reachable: boolean; readonly detail?: string };
  readonly member?: { readonly state: MemberState; readonly detail?: string };
  readonly backup?: BackupReport;
  /** what its auto-scaling group does with it */
  readonly lifeCycle?: LifeCycleReport;
  /** on the machine that leads its ensemble */
  readonly archive?: ArchiveState;
  /** the agent that wrote this */
  readonly agent: ProcessIdentity;
}

/** What an instance says of itself. */
export function describeInstance(
  { instance, address, zone, tags }: Settings,
  bundles: Readonly<Record<string, BundleStatus>>,
  more: Pick<InstanceStatus, 'member' | 'clock' | 'deployments'> = {},
): InstanceStatus {
  return {
    format: STATUS_FORMAT,
    id: instance,
    host: hostname(),
    ...(address ? { address } : {}),
    ...(zone ? { zone } : {}),
    ...(tags ? { tags } : {}),
    ...ownFacts(),
    version: VERSION,
    ...(more.member ? { member: more.member } : {}),
    bundles,
    ...(more.clock ? { clock: more.clock } : {}),
    ...(more.deployments?.length ? { deployments: more.deployments } : {}),
  };
}

/** By what rollouts choose this instance. */
export const ownPlace = ({ instance, zone, tags }: Settings): InstancePlace => ({
  id: instance,
  ...(zone ? { zone } : {}),
  ...(tags ? { tags } : {}),
});

const statusFile = (state: string): string => join(state, 'status.json');

/** Room that is given up for the status when the disk is full, so that a full disk can be told. Bytes: several hooks' output. */
const RESERVE_BYTES = 256 * 1024;

export async function writeStatus(state: string, status: LocalStatus): Promise<void> {
  const text = `${JSON.stringify(status)}\n`;
  const reserve = join(state, 'status.reserve');
  try {
    await replace(statusFile(state), text);
    await keepReserve(reserve);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    await rm(reserve, { force: true });
    await replace(statusFile(state), text);
  }
}

async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o644 });
  await rename(`${path}.new`, path);
}

async function keepReserve(path: string): Promise<void> {
  const stats = await stat(path).catch(() => undefined); // not there yet, or given up
  if (stats?.size === RESERVE_BYTES) return;
  try {
    // random bytes: no file system makes them smaller
    await writeFile(path, randomBytes(RESERVE_BYTES), { mode: 0o600 });
  } catch {
    // no room for it now: the next status tries again
    await rm(path, { force: true });
  }
}

/** What the agent of this state folder said last, and whether it still runs; undefined when none ever ran. */
export async function readStatus(state: string): Promise<(LocalStatus & { running: boolean }) | undefined> {
  let text: string;
  try {
    text = await readFile(statusFile(state), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const status = JSON.parse(text) as LocalStatus;
  return { ...status, instance: decodeStatus(JSON.stringify(status.instance)), running: await lives(status.agent) };
}
