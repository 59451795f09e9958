import { readFile, rename, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type BundleStatus, decodeStatus, type InstanceStatus, STATUS_FORMAT } from '@quorate/model';
import { lives, type ProcessIdentity } from './ensemble/process.ts';
import type { Settings } from './settings.ts';
import { VERSION } from './version.ts';

/** What the agent says on this machine, for those who ask without a network. */
export interface LocalStatus {
  readonly instance: InstanceStatus;
  readonly store: { readonly url: string; readonly reachable: boolean; readonly detail?: string };
  readonly member?: { readonly state: MemberState; readonly detail?: string };
  /** the agent that wrote this */
  readonly agent: ProcessIdentity;
}

export type MemberState = 'starting' | 'serving' | 'down';

/** What an instance says of itself. */
export function describeInstance(
  { instance, address, zone }: Settings,
  bundles: Readonly<Record<string, BundleStatus>>,
  more: Pick<InstanceStatus, 'member' | 'clock'> = {},
): InstanceStatus {
  return {
    format: STATUS_FORMAT,
    id: instance,
    host: hostname(),
    ...(address ? { address } : {}),
    ...(zone ? { zone } : {}),
    version: VERSION,
    ...(more.member ? { member: more.member } : {}),
    bundles,
    ...(more.clock ? { clock: more.clock } : {}),
  };
}

const statusFile = (state: string): string => join(state, 'status.json');

export async function writeStatus(state: string, status: LocalStatus): Promise<void> {
  const path = statusFile(state);
  await writeFile(`${path}.new`, `${JSON.stringify(status)}\n`, { mode: 0o644 });
  await rename(`${path}.new`, path);
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
