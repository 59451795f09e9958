import { join } from 'node:path';
import type { DeploymentFault } from '@quorate/model';
import type { Store } from '@quorate/store';
import { arbiterOf } from './arbiter/index.ts';
import type { ArchiveState } from './archive/index.ts';
import { noteOwnDeed } from './audit.ts';
import { isInstanceId } from './aws/instance-id.ts';
import { discoveryOf } from './discovery/index.ts';
import { obtainTrust } from './ensemble/arrival.ts';
import type { MemberReport } from './ensemble/judge.ts';
import { EnsembleManager } from './ensemble/manager.ts';
import { ownIdentity } from './ensemble/own-member.ts';
import { knownAddresses } from './ensemble/servers.ts';
import { AgentError } from './errors.ts';
import { PeerServer } from './peer/index.ts';
import type { EnsembleSection, Settings } from './settings/index.ts';
import {
  certificateAddresses,
  clusterSecret,
  keepCertificate,
  makeGranter,
  TokenBook,
  type TrustFolder,
  zooKeeperTls,
} from './trust/index.ts';

export interface Belonging {
  readonly settings: Settings & { readonly ensemble: EnsembleSection };
  /** the store, as soon as it has been reached once */
  readonly connected: Promise<Store>;
  /** called when this machine has what lets it in: before that nothing can be reached */
  readonly trusted: () => void;
  readonly report: (report: MemberReport) => void;
  /** told of the archive while this machine leads */
  readonly archived?: (state: ArchiveState | undefined) => void;
  /** told, while this machine leads, which deployments are not published */
  readonly undeployed?: (faults: readonly DeploymentFault[]) => void;
  /** whether this machine is to have no place in the ensemble now */
  readonly withdrawn?: () => boolean;
  /** whether it ends within minutes, whatever waits for it */
  readonly ends?: () => boolean;
  readonly log: (line: string) => void;
}

/** Part of an ensemble that nobody declares: what this machine runs is found out as it goes. Until the signal. */
export async function belong(
  { connected, trusted, report, archived, undeployed, withdrawn, ends, log, ...given }: Belonging,
  signal: AbortSignal,
): Promise<void> {
  const { address } = given.settings;
  if (!address)
    throw new AgentError('BAD_SETTINGS', "the ensemble's machines need an address: write `address:` into the settings");
  checkName(given.settings);
  const settings = { ...given.settings, address };
  const { state, ensemble } = settings;
  const [arbiter, discovery] = [
    arbiterOf(ensemble, state, (line) => log(`warn  the arbiter: ${line}`)),
    discoveryOf(settings),
  ];
  const identity = await ownIdentity(state, ensemble.cluster);
  const trust = await obtainTrust({ settings, identity, arbiter, discovery, withdrawn, log }, signal);
  trusted();
  const lines = zooKeeperTls(trust, { address, client: ensemble.ports.client });
  const manager = new EnsembleManager({
    settings,
    identity,
    connected,
    arbiter,
    discovery,
    trust,
    lines,
    report,
    archived,
    undeployed,
    withdrawn,
    ends,
    log,
  });
  const granter = granterOf(settings, trust, { connected, log });
  await manager.keepPromise();
  await using peers = await PeerServer.listen({
    port: ensemble.ports.peer,
    cluster: ensemble.cluster,
    tls: trust.tls(),
    handlers: {
      state: () => manager.state(),
      join: async (request, socket) => {
        // with an arbiter the founding may still be lost to another machine, and with it this authority
        if (arbiter.kind === 'shared' && !manager.isFounded)
          throw new AgentError('TOKEN_REFUSED', 'the cluster is being founded: try again in a moment');
        return granter.join(request, socket);
      },
      renew: granter.renew,
    },
    failed: (error) => log(`warn  the peer endpoint: ${(error as Error).message}`),
  });
  const keeper = keepCertificate({
    folder: trust.path,
    addresses: () => certificateAddresses([address]),
    renewed: (renewed) => peers.renew(renewed.tls()),
    log: (line) => log(`info  ${line}`),
    signal,
  });
  await Promise.all([manager.run(signal), keeper]);
}

/** EC2 says of an instance by its id that it is terminated: under another name nobody would ever count as that. */
function checkName({ instance, ensemble }: Belonging['settings']): void {
  if (!('autoScaling' in ensemble.discovery) || isInstanceId(instance)) return;
  throw new AgentError(
    'BAD_SETTINGS',
    `with ensemble.discovery.autoScaling an instance is called by its EC2 id, and this one is called ${instance}: take \`instance:\` out of the settings and write \`aws: {}\` into them`,
  );
}

function granterOf(
  settings: Belonging['settings'] & { readonly address: string },
  trust: TrustFolder,
  { connected, log }: Pick<Belonging, 'connected' | 'log'>,
): ReturnType<typeof makeGranter> {
  const { state, instance, address, ensemble } = settings;
  const { secret, ports } = ensemble;
  return makeGranter({
    trust,
    tokens: new TokenBook(join(state, 'trust', 'tokens')),
    ...(secret ? { secret: () => clusterSecret(secret, settings) } : {}),
    instances: async () => [...new Set([address, ...(await knownAddresses(settings))])],
    ports,
    granted: ({ kind, instance: who, by }) => {
      log(`info  ${instance} let ${kind} ${who} in by ${by}`);
      // the store may come later: the first machines are let in before anything serves
      void noteOwnDeed(connected, { action: 'join', what: `${kind} ${who}, by ${by}`, instance }, log);
    },
  });
}
