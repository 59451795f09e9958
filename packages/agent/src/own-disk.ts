import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { factsOf } from '@quorate/model';
import type { Log } from './agent.ts';
import {
  type Bundle,
  type BundleOptions,
  DEFAULT_POLICY,
  type LockOptions,
  lockState,
  placeBundle,
} from './disk/index.ts';
import { secretReader } from './secrets/index.ts';
import type { Settings } from './settings/index.ts';
import { describeInstance, type LocalStatus, writeStatus } from './status-file.ts';
import type { FleetSource, TemplateMachine } from './templates/index.ts';
import { SignedReleases } from './trust/signed.ts';

/** A bundle as an agent handles it: see `Bundle`, which is the one on a real disk. */
export type PlacedBundle = Pick<
  Bundle,
  'applied' | 'has' | 'offer' | 'apply' | 'health' | 'recover' | 'checkNative' | 'prepare' | 'close'
> &
  Partial<Pick<Bundle, 'drift'>>;

/** All that an agent does with its machine's disk. */
export interface AgentDisk {
  /** Keeps others away until it is disposed of. @throws AgentError LOCKED when an agent is here already, or a command that does not end */
  lock(options: LockOptions): Promise<AsyncDisposable>;
  /** Names of the bundles that this machine keeps files of. */
  bundles(): Promise<string[]>;
  /** A bundle as the disk has it, to be recovered before anything else is done with it. */
  place(bundle: string): PlacedBundle;
  /** Keeps what the agent says of itself for those who ask on this machine. */
  tell(status: LocalStatus): Promise<void>;
}

/** The disk of the machine that this process runs on. */
export function ownDisk(settings: Settings, fleet: FleetSource, log?: Log): AgentDisk {
  const { state } = settings;
  return {
    lock: (options) => lockState(state, options),
    bundles: () => managedBundles(state),
    place: (bundle) => placeBundle({ ...bundlePlace(settings, bundle, log), machine: machineOf(settings, fleet) }),
    tell: (status) => writeStatus(state, status),
  };
}

/** What templates are rendered with on the machine of these settings. */
export function machineOf(
  settings: Settings,
  fleet: FleetSource,
  instance = factsOf(describeInstance(settings, {})),
): TemplateMachine {
  return { instance, fleet: (before) => fleet(instance, before), secret: secretReader(settings) };
}

/** Bundles that this machine keeps files of. */
export async function managedBundles(state: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(state, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const names = await readdir(join(state, entry.name));
    if (names.includes('state.json')) found.push(entry.name);
  }
  return found.sort();
}

/** Where and how a bundle lives on this machine. */
export function bundlePlace(settings: Settings, bundle: string, log?: Log): BundleOptions {
  const { state, root, roots, links, hooks, trust } = settings;
  return {
    state,
    root,
    bundle,
    policy: { ...DEFAULT_POLICY, ...(roots ? { roots } : {}), ...(links ? { links } : {}) },
    ...(trust ? { signed: new SignedReleases(state, bundle, trust.keys) } : {}),
    ...(hooks === false ? { hooks } : {}),
    ...(log ? { log } : {}),
  };
}
