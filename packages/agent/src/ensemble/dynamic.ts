import { AgentError } from '../errors.ts';

/** One server of an ensemble's configuration, as its `server.N=` line says it. */
export interface ServerLine {
  readonly id: number;
  /** host name or address, IPv6 in brackets */
  readonly address: string;
  readonly quorumPort: number;
  readonly electionPort: number;
  readonly role: 'participant' | 'observer';
  /** where clients without TLS are served; loopback only in an ensemble that looks after itself */
  readonly client?: { readonly address: string; readonly port: number };
}

/** A configuration as ZooKeeper keeps it on disk. */
export interface StoredConfig {
  /** 64 bits, the zxid that it was committed with; 0 for one that was written by hand */
  readonly version: bigint;
  readonly text: string;
}

/** ZooKeeper serves clients on every address when a line names none. */
const ANY = '0.0.0.0';
const LINE =
  /^server\.(\d{1,3})\s*=\s*(\[[^\]]+\]|[^:;|[\]\s]+):(\d{1,5}):(\d{1,5})(?::(participant|observer))?(?:\|[^;]*)?(?:;(?:(\[[^\]]+\]|[^:;[\]\s]+):)?(\d{1,5}))?$/i;

/**
 * The servers of a configuration. Other lines (`version=`, groups, weights) are ZooKeeper's own.
 * @throws AgentError CORRUPT for a server line that is none
 */
export function parseDynamic(text: string): ServerLine[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line.startsWith('server.'))
    .map(parseLine);
}

function parseLine(line: string): ServerLine {
  const match = LINE.exec(line);
  const fault = (why: string): AgentError =>
    new AgentError('CORRUPT', `the ensemble's configuration has a line that ${why}: ${JSON.stringify(line)}`);
  if (!match) throw fault('is not server.N=ADDRESS:QUORUMPORT:ELECTIONPORT:ROLE;ADDRESS:CLIENTPORT');
  const [, id, address, quorum, election, role, host, client] = match;
  const ports = [quorum, election, ...(client === undefined ? [] : [client])].map(Number);
  if (ports.some((port) => port < 1 || port > 65_535)) throw fault('names a port that is none');
  if (Number(id) > 254) throw fault('has a server id above 254');
  return {
    id: Number(id),
    address: address!,
    quorumPort: ports[0]!,
    electionPort: ports[1]!,
    role: role?.toLowerCase() === 'observer' ? 'observer' : 'participant',
    ...(client === undefined ? {} : { client: { address: host ?? ANY, port: Number(client) } }),
  };
}

/** The text of a configuration, as `dynamic` and `reconfig` take it. */
export function formatDynamic(servers: readonly ServerLine[]): string {
  return servers
    .map(({ id, address, quorumPort, electionPort, role, client }) => {
      const serving = client ? `;${client.address}:${client.port}` : '';
      return `server.${id}=${address}:${quorumPort}:${electionPort}:${role}${serving}\n`;
    })
    .join('');
}

/** The version that a configuration's text names in a `version=` line (hexadecimal); 0 where it names none. */
export function versionOf(text: string): bigint {
  const match = /^version=([0-9a-f]{1,16})\s*$/im.exec(text);
  return match ? BigInt(`0x${match[1]}`) : 0n;
}

/**
 * Which configuration a member starts with. What its data folder holds wins where it is newer than what the caller gives, unless it does
 * not have the member: a server that was taken out, or never added, ends at once with "My id is not in the peer list" otherwise.
 * @param given the caller's text; a `version=` line in it makes it as new as that
 */
export function chooseDynamic(
  id: number,
  given: string,
  stored: readonly StoredConfig[],
): { readonly from: 'given' | 'stored'; readonly config: StoredConfig } {
  const caller: StoredConfig = { version: versionOf(given), text: given };
  const newest = newestConfig(stored);
  if (newest && newest.version > caller.version && hasServer(newest.text, id))
    return { from: 'stored', config: newest };
  if (!hasServer(given, id))
    throw new AgentError(
      'BAD_SETTINGS',
      `server ${id} is not in the configuration that it should start with: ${JSON.stringify(given)}`,
    );
  return { from: 'given', config: caller };
}

/** The newest of the configurations that can be read. */
export function newestConfig(stored: readonly StoredConfig[]): StoredConfig | undefined {
  return stored
    .filter(({ text }) => readable(text))
    .reduce<StoredConfig | undefined>((best, one) => (best && best.version >= one.version ? best : one), undefined);
}

const hasServer = (text: string, id: number): boolean => parseDynamic(text).some((server) => server.id === id);

function readable(text: string): boolean {
  try {
    return parseDynamic(text).length > 0;
  } catch {
    // a disk that lost bits: another version of the file, or the caller's, serves
    return false;
  }
}
