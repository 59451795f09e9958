import { readdir } from 'node:fs/promises';
import { isIP } from 'node:net';
import { AgentError } from '../errors.ts';
import type { ServerLine } from './dynamic.ts';

/** One server of an ensemble that was declared by hand. */
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

/** A declared server as a voter that serves its clients without TLS, on the address that was declared. */
export function declaredLine(server: Server): ServerLine {
  const { id, address, quorumPort, electionPort, clientPort } = server;
  return {
    id,
    address,
    quorumPort,
    electionPort,
    role: 'participant',
    client: { address: bindAddress(address), port: clientPort },
  };
}

/** Clients are served on the declared address only where it is one; a name may resolve to what this machine does not have. */
function bindAddress(address: string): string {
  return isIP(address.replace(/^\[|\]$/g, '')) ? address : '0.0.0.0';
}

/** Whether no member ever ran in this folder: its ensemble begins, as far as anybody can tell here. */
export async function isNewFolder(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [] as string[];
    throw cause;
  });
  return !names.some((name) => name === 'zoo.cfg' || name.startsWith('data.aside-'));
}
