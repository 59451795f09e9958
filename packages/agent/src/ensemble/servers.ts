import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Discovery, discoveryOf, type SharedSight } from '../discovery/index.ts';
import { replaceDurable } from '../disk/durable.ts';
import { type Settings, withPort } from '../settings/index.ts';

const file = (state: string): string => join(state, 'member', 'servers.json');

/** Keeps where the ensemble's members were last, for the next start of this machine: those that were named at first may all be gone by then. */
export async function noteServers(state: string, addresses: readonly string[]): Promise<void> {
  const text = `${JSON.stringify(addresses)}\n`;
  if ((await readNote(state)) !== text) replaceDurable(file(state), text, 0o644);
}

/** Addresses of the fleet's own ensemble that this machine knows of: where it served last, and where the discovery says that machines are. */
export async function knownAddresses(settings: Settings): Promise<readonly string[]> {
  if (!settings.ensemble) return [];
  const note = await readNote(settings.state);
  const noted = note ? (JSON.parse(note) as string[]) : [];
  const discovery = discoveryOf(settings);
  const listed = await (discovery.shared && noted.length > 0 ? seenBefore(discovery.shared) : seenNow(discovery));
  return [...new Set([...noted, ...listed])];
}

async function seenNow(discovery: Discovery): Promise<string[]> {
  const peers = await discovery.peers().catch(() => []); // nothing can be told now: what was noted has to do
  return peers.filter(({ state }) => state !== 'terminated').map(({ address }) => address);
}

/** Asking costs, and most servers that were noted will be there. Where none is, the look at founding asks, and it is known here then. */
function seenBefore({ last }: SharedSight): string[] {
  const live = last?.instances.filter(({ state }) => state !== 'terminated') ?? [];
  return live.flatMap(({ address }) => address ?? []);
}

/** `host:port` of each of them, for a client. */
export async function knownServers(settings: Settings): Promise<readonly string[]> {
  const addresses = await knownAddresses(settings);
  return addresses.map((address) => withPort(address, settings.ensemble!.ports.client));
}

async function readNote(state: string): Promise<string | undefined> {
  try {
    return await readFile(file(state), 'utf8');
  } catch (error) {
    // nothing was noted yet; or this user may not read it, who then begins with what the settings name
    if (['ENOENT', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
