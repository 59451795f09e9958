import type { MemberPorts } from '@quorate/model';
import type { EnsembleSection } from './ensemble.ts';

/** The store in the fleet's own ensemble: this machine and those that are named; who else serves is found out on the way. */
export function ensembleUrl({ discovery, ports }: EnsembleSection, own: string | undefined): string {
  const named = 'addresses' in discovery ? discovery.addresses : [];
  return clusterUrl([...(own ? [own] : []), ...named], ports);
}

/** The store of a cluster with these instances. */
export function clusterUrl(addresses: readonly string[], ports: Pick<MemberPorts, 'client'>): string {
  const servers = [...new Set(addresses)].map((address) => withPort(address, ports.client));
  return `zk+tls://${servers.join(',')}/quorate`;
}

/** `10.0.0.1:2281`, `[fd00::1]:2281` */
export function withPort(address: string, port: number): string {
  return `${address.includes(':') && !address.startsWith('[') ? `[${address}]` : address}:${port}`;
}

/** Whether a URL names a store that every machine of a cluster can mean by it. */
export function isArchiveUrl(url: string): boolean {
  return /^(dir:\/|s3:\/\/[^/]|zk(\+tls)?:\/\/[^/])/.test(url);
}
