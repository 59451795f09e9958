import type { DiscoverySettings } from '../settings.ts';
import { AddressDiscovery } from './addresses.ts';
import type { Discovery } from './discovery.ts';
import { DnsDiscovery } from './dns.ts';
import { FileDiscovery } from './file.ts';

export { AddressDiscovery } from './addresses.ts';
export type { Discovery, Peer } from './discovery.ts';
export { DnsDiscovery, type NameResolver } from './dns.ts';
export { FileDiscovery } from './file.ts';

/** The discovery that the settings name. */
export function discoveryOf({ discovery }: { readonly discovery: DiscoverySettings }): Discovery {
  if ('addresses' in discovery) return new AddressDiscovery(discovery.addresses);
  return 'dns' in discovery ? new DnsDiscovery(discovery.dns) : new FileDiscovery(discovery.file);
}
