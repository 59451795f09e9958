import { parseServer, type Server } from './servers.ts';

/** The node in which an ensemble keeps its configuration; no chroot applies to it. */
export const CONFIG_PATH = '/zookeeper/config';

/** One `server.N=` line of an ensemble's configuration. */
export interface Member {
  readonly id: number;
  readonly role: 'participant' | 'observer';
  /** Host of the quorum port. */
  readonly host: string;
  /** Where clients connect without TLS, as far as the configuration says it. */
  readonly client: Server | undefined;
}

export interface EnsembleConfig {
  readonly members: readonly Member[];
  /** What a conditional `reconfig` names as `fromConfig`. */
  readonly version: bigint;
}

const LINE = /^server\.(\d+)\s*=\s*([^;]*)(?:;(.*))?$/;
const WILDCARD = new Set(['0.0.0.0', '::', '0:0:0:0:0:0:0:0', '*']);

/** Reads the text of the configuration node. Lines of other kinds are skipped: later servers may add some. */
export function parseConfig(text: string): EnsembleConfig {
  const members: Member[] = [];
  let version = 0n;
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trim();
    if (/^version=[0-9a-f]+$/i.test(trimmed)) version = BigInt(`0x${trimmed.slice(8)}`);
    const match = LINE.exec(trimmed);
    if (match !== null) members.push(parseMember(Number(match[1]), match[2]!, match[3]));
  }
  return { members, version };
}

/** `host:2888:3888[:role][|host:2888:3888…]` and `[host:]port`. */
function parseMember(id: number, address: string, client: string | undefined): Member {
  const role = /:observer\s*$/.test(address) ? 'observer' : 'participant';
  const host = /^\[([^\]]+)\]|^([^:|]+)/.exec(address.trim());
  const name = host?.[1] ?? host?.[2] ?? '';
  return { id, role, host: name, client: client === undefined ? undefined : parseClient(client.trim(), name) };
}

function parseClient(text: string, host: string): Server | undefined {
  const server = /^\d+$/.test(text) ? { host: '*', port: Number(text) } : parseServer(text);
  return WILDCARD.has(server.host) ? { host, port: server.port } : server;
}

/**
 * Where clients can connect. `port` is given when the client part does not hold the port that clients use (TLS): then
 * it is the quorum host with that port.
 */
export function clientServers(config: EnsembleConfig, port: number | undefined): Server[] {
  return config.members.flatMap((member) => {
    if (port !== undefined) return member.host === '' ? [] : [{ host: member.host, port }];
    return member.client === undefined ? [] : [member.client];
  });
}
