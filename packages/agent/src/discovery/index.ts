import type { Cloud } from '../aws/index.ts';
import { AgentError } from '../errors.ts';
import type { EnsembleSection, Settings } from '../settings/index.ts';
import { AddressDiscovery } from './addresses.ts';
import { AutoScalingDiscovery } from './auto-scaling.ts';
import type { Discovery } from './discovery.ts';
import { DnsDiscovery } from './dns.ts';
import { FileDiscovery } from './file.ts';

export { AddressDiscovery } from './addresses.ts';
export { AutoScalingDiscovery } from './auto-scaling.ts';
export type { Discovery, Peer, SharedSight } from './discovery.ts';
export { DnsDiscovery, type NameResolver } from './dns.ts';
export { FileDiscovery } from './file.ts';

/** One for all who ask in this process: what it knows is costly. */
const scaling = new WeakMap<EnsembleSection, Discovery>();

/** The discovery that the settings name. @throws AgentError BAD_SETTINGS where they name none */
export function discoveryOf(settings: Pick<Settings, 'ensemble' | 'aws' | 'instance'>): Discovery {
  const { ensemble, instance } = settings;
  if (!ensemble) throw new AgentError('BAD_SETTINGS', 'the settings have no `ensemble:`, and so no discovery');
  const { discovery } = ensemble;
  if ('addresses' in discovery) return new AddressDiscovery(discovery.addresses);
  if ('dns' in discovery) return new DnsDiscovery(discovery.dns);
  if ('file' in discovery) return new FileDiscovery(discovery.file);
  let known = scaling.get(ensemble);
  if (!known) {
    const { groups } = discovery.autoScaling;
    const cloud = async (): Promise<Cloud> => (await import('../aws/index.ts')).cloudOf(settings); // few machines have this discovery
    known = new AutoScalingDiscovery({ groups, own: instance, cloud });
    scaling.set(ensemble, known);
  }
  return known;
}
