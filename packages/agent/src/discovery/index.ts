export { AddressDiscovery } from './addresses.ts';
export type { Discovery, Peer } from './discovery.ts';
export { DnsDiscovery, type NameResolver } from './dns.ts';
export { FileDiscovery } from './file.ts';
