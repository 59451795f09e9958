import { ZooKeeperError } from './errors.ts';
import { checkPath } from './paths.ts';

export interface Server {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORT = 2181;

function badServers(text: string, why: string): ZooKeeperError {
  return new ZooKeeperError(
    'BAD_ARGUMENTS',
    `servers ${JSON.stringify(text)}: ${why}; write host:port,host:port/chroot`,
  );
}

/** `host`, `host:port`, `[v6]:port` or a bare IPv6 address. */
export function parseServer(text: string): Server {
  const match = /^(?:\[([^\]]+)\]|([^:\s[\]]+))(?::(\d+))?$/.exec(text);
  if (match === null) {
    if (/^[0-9a-fA-F:.]+$/.test(text) && text.split(':').length > 2) return { host: text, port: DEFAULT_PORT };
    throw badServers(text, 'is not host:port');
  }
  const port = match[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  if (port < 1 || port > 65535) throw badServers(text, 'the port is not between 1 and 65535');
  return { host: (match[1] ?? match[2])!, port };
}

export function serverName(server: Server): string {
  return server.host.includes(':') ? `[${server.host}]:${server.port}` : `${server.host}:${server.port}`;
}

/** Whether two lists name the same servers, in any order. */
export function sameServers(some: readonly Server[], others: readonly Server[]): boolean {
  const names = (servers: readonly Server[]) => servers.map(serverName).sort().join();
  return some.length === others.length && names(some) === names(others);
}

/** `h1:2181,h2:2181/chroot`. The chroot is '' when there is none. */
export function parseConnectString(text: string): { servers: Server[]; chroot: string } {
  const slash = text.indexOf('/');
  const list = slash === -1 ? text : text.slice(0, slash);
  const chroot = slash === -1 ? '' : checkChroot(text.slice(slash));
  const names = list.split(',').map((name) => name.trim());
  const servers = names.filter((name) => name !== '').map(parseServer);
  if (servers.length === 0) throw badServers(text, 'names no server');
  return { servers, chroot };
}

export function checkChroot(chroot: string): string {
  if (chroot === '' || chroot === '/') return '';
  checkPath(chroot);
  return chroot;
}

/** Fisher and Yates. */
export function shuffle<T>(items: readonly T[], random: () => number): T[] {
  const shuffled = [...items];
  for (let index = shuffled.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1));
    const held = shuffled[index]!;
    shuffled[index] = shuffled[other]!;
    shuffled[other] = held;
  }
  return shuffled;
}

/** Which server to try next: a shuffled list taken round and round. */
export class ServerList {
  readonly #random: () => number;
  /** Those that the caller named: the way back when a list that came later is of no use. */
  readonly #given: readonly Server[];
  #servers: Server[];
  #next = 0;
  #failures = 0;

  constructor(servers: readonly Server[], random: () => number) {
    this.#random = random;
    this.#given = servers;
    this.#servers = shuffle(servers, random);
  }

  get servers(): readonly Server[] {
    return this.#servers;
  }

  /** The server to try now, one that is not busy where there is one, and how often the whole list has failed since one was good. */
  next(busy: (server: Server) => boolean = () => false): { server: Server; round: number } {
    if (this.#failures === this.#servers.length) this.#fallBack();
    const round = Math.floor(this.#failures / this.#servers.length);
    this.#failures++;
    for (let passed = 1; passed < this.#servers.length && busy(this.#servers[this.#next]!); passed++) this.#advance();
    const server = this.#servers[this.#next]!;
    this.#advance();
    return { server, round };
  }

  #advance(): void {
    this.#next = (this.#next + 1) % this.#servers.length;
  }

  #fallBack(): void {
    const names = new Set(this.#servers.map(serverName));
    this.#servers.push(...this.#given.filter((server) => !names.has(serverName(server))));
  }

  /** A server was good: after it is lost, the rounds are counted anew. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** Takes a new list; `prefer` are tried first. */
  replace(servers: readonly Server[], prefer: readonly Server[] = []): void {
    const first = shuffle(prefer, this.#random);
    const names = new Set(first.map(serverName));
    const rest = servers.filter((server) => !names.has(serverName(server)));
    this.#servers = [...first, ...shuffle(rest, this.#random)];
    this.#next = 0;
    this.#failures = 0;
  }
}

/**
 * Where a connection should go when the list of servers changes, so that clients stay spread evenly and as few of them
 * move as possible (the rule of ZOOKEEPER-1355): undefined to stay, or the servers to choose among.
 */
export function rebalance(
  before: readonly Server[],
  after: readonly Server[],
  current: Server | undefined,
  random: () => number,
): readonly Server[] | undefined {
  const old = new Set(before.map(serverName));
  const kept = after.filter((server) => old.has(serverName(server)));
  const added = after.filter((server) => !old.has(serverName(server)));
  const stays = current !== undefined && after.some((server) => serverName(server) === serverName(current));
  if (stays) {
    // The list has grown from b to a: of each server's clients the share 1 - b/a goes to the added ones.
    if (added.length === 0 || after.length <= before.length) return undefined;
    return random() < 1 - before.length / after.length ? added : undefined;
  }
  if (added.length === 0 || kept.length === 0) return after;
  // Clients of removed servers: kept ones hold their share already, so the added ones take more.
  const removed = before.length - kept.length;
  const toKept = (kept.length * Math.max(0, before.length - after.length)) / (after.length * Math.max(1, removed));
  return random() < toKept ? kept : added;
}
