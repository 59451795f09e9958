import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { plainAddress } from './identity.ts';

/** Addresses in one certificate; a machine with more has containers, whose bridges nobody connects from. */
const MOST = 16;

/**
 * What goes into an instance's certificate: the address that others reach it by, and those that its connections may come from. Members check
 * both, so a machine with several addresses needs all of them in it.
 * @param declared the instance's address or host name, and what else is said
 * @param interfaces of this machine; others in tests
 */
export function certificateAddresses(
  declared: readonly string[],
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): string[] {
  const own = Object.values(interfaces)
    .flatMap((infos) => infos ?? [])
    .filter(({ internal, address }) => !internal && !isLinkLocal(address))
    .map(({ address }) => address);
  return [...new Set([...declared, ...own].map(plainAddress))].slice(0, MOST);
}

/** Of one cable only, and with a zone that no certificate can name: fe80::/10. */
const isLinkLocal = (address: string): boolean => /^fe[89ab]/i.test(address);
