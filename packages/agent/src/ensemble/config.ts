import { isIP } from 'node:net';
import { AgentError } from '../errors.ts';

/** One server of a declared ensemble. */
export interface Server {
  readonly id: number;
  readonly address: string;
  readonly quorumPort: number;
  readonly electionPort: number;
  readonly clientPort: number;
}

/** ZooKeeper's own default ports. */
const PORTS = { quorum: 2888, election: 3888, client: 2181 } as const;

/**
 * `10.0.0.1`, or `10.0.0.1:2888:3888:2181` where several members share a machine; IPv6 addresses in brackets.
 * @throws AgentError BAD_SETTINGS
 */
export function parseServer(id: number, text: string): Server {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d+):(\d+):(\d+))?$/.exec(text);
  if (!match) {
    throw new AgentError(
      'BAD_SETTINGS',
      `member.servers.${id}: ${JSON.stringify(text)} is not ADDRESS or ADDRESS:QUORUMPORT:ELECTIONPORT:CLIENTPORT`,
    );
  }
  const port = (at: number, usual: number): number => (match[at] === undefined ? usual : Number(match[at]));
  const server = {
    id,
    address: match[1]!,
    quorumPort: port(2, PORTS.quorum),
    electionPort: port(3, PORTS.election),
    clientPort: port(4, PORTS.client),
  };
  for (const number of [server.quorumPort, server.electionPort, server.clientPort]) {
    if (number < 1 || number > 65_535)
      throw new AgentError('BAD_SETTINGS', `member.servers.${id}: ${number} is no port`);
  }
  return server;
}

export interface MemberConfig {
  readonly id: number;
  readonly servers: readonly Server[];
  /** folder of the member: zoo.cfg, data/, log */
  readonly folder: string;
  /** milliseconds; everything that ZooKeeper times out counts in ticks */
  readonly tickTime: number;
}

/** zoo.cfg for servers that were declared by hand; facts of `reconfig` come with the dynamic file. */
export function zooCfg({ folder, tickTime }: MemberConfig): string {
  return [
    `dataDir=${folder}/data`,
    `dynamicConfigFile=${folder}/zoo.cfg.dynamic`,
    `tickTime=${tickTime}`,
    'initLimit=10',
    'syncLimit=4',
    'standaloneEnabled=false',
    'reconfigEnabled=true',
    'skipACL=no',
    // many agents may come from one address (NAT, a test machine)
    'maxClientCnxns=0',
    // a session is worth what the agent asks for, between these, in ms
    'minSessionTimeout=2000',
    'maxSessionTimeout=60000',
    'autopurge.snapRetainCount=3',
    'autopurge.purgeInterval=1',
    // 4 MB instead of 64 MB for a new log file: the idle disk stays small
    'preAllocSize=4096',
    'snapCount=10000',
    'admin.enableServer=false',
    '4lw.commands.whitelist=srvr,mntr,ruok,stat',
    '',
  ].join('\n');
}

/** The dynamic file: one line a server. */
export function dynamicConfig(servers: readonly Server[]): string {
  return servers
    .map(
      (server) =>
        `server.${server.id}=${server.address}:${server.quorumPort}:${server.electionPort}:participant;${bindAddress(server)}:${server.clientPort}`,
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** Clients are served on the declared address only where it is one; a name may resolve to what this machine does not have. */
function bindAddress({ address }: Server): string {
  return isIP(address.replace(/^\[|\]$/g, '')) ? address : '0.0.0.0';
}
