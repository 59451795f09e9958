import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { PeerAnswer } from '@quorate/model';
import type { Arbiter } from '../arbiter/index.ts';
import type { RemoteSecret } from '../aws/index.ts';
import type { Discovery } from '../discovery/index.ts';
import { AgentError } from '../errors.ts';
import { type EnsembleSection, type Settings, withPort } from '../settings/index.ts';
import {
  certificateAddresses,
  clusterSecret,
  joinCluster,
  makeAuthority,
  makeKey,
  TrustFolder,
} from '../trust/index.ts';
import { lookAtFounding } from './founding.ts';
import type { MemberIdentity } from './identity.ts';
import { orders } from './orders.ts';
import { noteServers } from './servers.ts';

/** ms between attempts, each made longer or shorter by half at random */
const AGAIN_MS = 1000;

export interface Arrival {
  readonly settings: Settings & { readonly ensemble: EnsembleSection; readonly address: string };
  readonly identity: MemberIdentity;
  readonly arbiter: Arbiter;
  readonly discovery: Discovery;
  /** whether this machine is to have no place in the ensemble now */
  readonly withdrawn?: (() => boolean) | undefined;
  readonly log: (line: string) => void;
}

/**
 * What makes this machine one of its cluster. One that comes from an image has only the cluster's secret: it founds when the arbiter says so,
 * and is let in by another otherwise, for as long as that takes.
 * @throws AgentError NOT_TRUSTED where it has neither been let in nor has a secret
 */
export async function obtainTrust(arrival: Arrival, signal: AbortSignal): Promise<TrustFolder> {
  const { settings, log } = arrival;
  const folder = join(settings.state, 'trust');
  const { secret } = settings.ensemble;
  if (TrustFolder.exists(folder) || !secret) return TrustFolder.open(folder);
  for (let told = ''; ; ) {
    signal.throwIfAborted();
    const [trust, trouble] = await attempt(arrival, folder, secret, signal);
    if (trust) return trust;
    if (trouble !== told) log(`info  ${trouble}`);
    told = trouble;
    await delay(AGAIN_MS * (0.5 + Math.random()), undefined, { signal });
  }
}

async function attempt(
  arrival: Arrival,
  folder: string,
  secret: string | RemoteSecret,
  signal: AbortSignal,
): Promise<[trust: TrustFolder | undefined, trouble: string]> {
  const { settings, identity, arbiter } = arrival;
  const { instance, address } = settings;
  const { cluster, incarnation } = identity;
  const own: PeerAnswer = { format: 1, instance, address, cluster, generation: 0, incarnation };
  const { step, ruling, troubles } = await lookAtFounding(
    { ...arrival, trust: undefined, mayFound: true },
    own,
    { session: false },
    signal,
  );
  switch (step.kind) {
    case 'found':
      return [await begin(settings, identity, folder), ''];
    case 'claim':
      await arbiter.claim(step.record, ruling!.version);
      return [undefined, step.reason];
    case 'join': {
      const [trust, trouble] = await ask(
        () => clusterSecret(secret, settings),
        step.through.map((host) => withPort(host, settings.ensemble.ports.peer)),
        { instance, addresses: certificateAddresses([address]), folder, cluster, signal },
        settings.state,
      );
      // where nobody lets it in, an arbiter that refuses it may be why nobody has founded
      return [trust, [trouble, ...troubles].join('; ')];
    }
    default:
      return [undefined, [step.reason, ...troubles].join('; ')];
  }
}

/** The cluster's first authority, and this machine's certificate by it. */
export async function begin(
  { instance, address, state }: Arrival['settings'] | { instance: string; address: string; state: string },
  { cluster }: Pick<MemberIdentity, 'cluster'>,
  folder: string,
): Promise<TrustFolder> {
  const authority = await makeAuthority(cluster);
  const key = makeKey();
  const certificate = await authority.issue({
    kind: 'instance',
    name: instance,
    addresses: certificateAddresses([address]),
    request: { key },
  });
  await orders.begin(state);
  return TrustFolder.create(folder, {
    authority: authority.certificate,
    authorityKey: authority.key,
    certificate,
    key,
  });
}

async function ask(
  secret: () => Promise<string>,
  addresses: readonly string[],
  joiner: Parameters<typeof joinCluster>[1],
  state: string,
): Promise<[trust: TrustFolder | undefined, trouble: string]> {
  try {
    const { trust, instances } = await joinCluster({ secret: await secret(), addresses }, joiner);
    // whoever let it in knows where others are, also while the discovery is throttled
    await noteServers(state, instances);
    return [trust, ''];
  } catch (error) {
    // what only somebody on this machine can mend ends the agent
    if (error instanceof AgentError && error.code !== 'BAD_SETTINGS') return [undefined, error.message];
    throw error;
  }
}
