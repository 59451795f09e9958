import { hostname, networkInterfaces } from 'node:os';
import { resolve } from 'node:path';
import { AgentError, type MemberSettings, parseServer, type Server } from '@quorate/agent';
import type { GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { SettingsFile, said } from '../settings-file.ts';
import { type FoundingFlags, foundCluster } from './found.ts';

export interface InitFlags extends GlobalFlags, FoundingFlags {
  readonly members?: string;
  readonly print?: boolean;
}

/** More voters make every publish slower and survive nothing that five do not. */
const MEMBERS_MOST = 7;

/** Founds a cluster on this machine; or, where the store is said or declared by hand, writes this machine's settings. */
export async function init(flags: InitFlags, env: NodeJS.ProcessEnv = process.env): Promise<number> {
  if (flags.members === undefined && !said('store', flags, env)) return foundCluster(flags, env);
  const zone = said('zone', flags, env);
  const own = { instance: said('instance', flags, env) ?? hostname(), ...(zone ? { zone } : {}) };
  const address = said('address', flags, env);
  const { store, ...rest } =
    flags.members === undefined
      ? { store: storeUrl(said('store', flags, env)!), ...(address ? { address } : {}) }
      : ensemble(flags.members, address, said('store', flags, env));
  const file = await SettingsFile.prepare({ store, ...own, ...rest }, flags, env);
  if (flags.print) process.stdout.write(file.text);
  else {
    await file.write();
    console.log(
      `${file.path} is written\n→ next: quorate doctor, then quorate agent (best as a service), then quorate import NAME PATH on one machine`,
    );
  }
  return EXIT.done;
}

/** A folder by its whole path: the agent stands elsewhere. */
function storeUrl(store: string): string {
  if (/^dir:./.test(store)) return `dir:${resolve(store.slice('dir:'.length))}`;
  if (/^zk(\+tls)?:\/\/[^/]/.test(store)) return store;
  throw new CliError(
    EXIT.usage,
    `${JSON.stringify(store)} is no store`,
    'write dir:/mnt/shared/quorate or zk://10.0.0.1:2181,10.0.0.2:2181/quorate',
  );
}

interface Ensemble {
  readonly store: string;
  readonly address: string;
  readonly member: Pick<MemberSettings, 'id' | 'servers'>;
}

function ensemble(members: string, address: string | undefined, store: string | undefined): Ensemble {
  const texts = members.split(',').map((text) => text.trim());
  const servers = texts.map((text, at) => parseMember(at + 1, text));
  checkMembers(servers);
  const own = ownServer(servers, address);
  if (!own)
    throw new CliError(
      EXIT.usage,
      address ? `${address} is none of ${members}` : `none of ${members} is an address of this machine`,
      'name this machine by --address, as the list has it',
    );
  const url = `zk://${servers.map((server) => `${server.address}:${server.clientPort}`).join(',')}/quorate`;
  return {
    store: store ? storeUrl(store) : url,
    address: own.address,
    member: { id: own.id, servers: Object.fromEntries(servers.map(({ id }, at) => [id, texts[at]!])) },
  };
}

function parseMember(id: number, text: string): Server {
  try {
    return parseServer(id, text);
  } catch (cause) {
    if (!(cause instanceof AgentError)) throw cause;
    throw new CliError(
      EXIT.usage,
      cause.message.replace(/^member\.servers\.\d+/, '--members'),
      'write addresses with commas between, IPv6 in brackets: 10.0.0.1,10.0.0.2,10.0.0.3',
      { cause },
    );
  }
}

function checkMembers(servers: readonly Server[]): void {
  const refuse = (what: string, hint: string): never => {
    throw new CliError(EXIT.usage, what, hint);
  };
  const places = servers.map(({ address, clientPort }) => `${address}:${clientPort}`);
  const twice = places.find((place, at) => places.indexOf(place) !== at);
  if (twice) refuse(`--members has ${twice} twice`, 'name each machine once');
  const local = servers.filter(({ address }) => LOOPBACK.test(address));
  if (local.length > 0 && local.length < servers.length)
    refuse(
      `--members has ${local[0]!.address}, which the other machines cannot reach`,
      'name this machine by the address that the others know',
    );
  if (servers.length % 2 === 0)
    refuse(
      `${servers.length} members: an even number survives no more losses than one fewer`,
      'name 1, 3 or 5 of the machines; the others run `quorate init --store` with the same store',
    );
  if (servers.length > MEMBERS_MOST)
    refuse(
      `${servers.length} members: more than ${MEMBERS_MOST} only make publishing slower`,
      'name 3 or 5 of the machines; the others run `quorate init --store` with the same store',
    );
}

const LOOPBACK = /^(127\.|localhost$|\[::1\]$)/;

/** The member that runs here: the one that was said, else the one with an address of this machine. */
function ownServer(servers: readonly Server[], address: string | undefined): Server | undefined {
  const bare = (text: string): string => text.replace(/^\[|\]$/g, '');
  if (address) return servers.find((server) => bare(server.address) === bare(address));
  const own = new Set(Object.values(networkInterfaces()).flatMap((list) => list?.map((one) => one.address) ?? []));
  return servers.find((server) => own.has(bare(server.address)) || server.address === hostname());
}
