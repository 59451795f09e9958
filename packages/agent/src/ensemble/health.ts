import { connect } from 'node:net';
import { connect as connectSecurely, type SecureContextOptions } from 'node:tls';

/** What a member that serves answers of itself. */
export interface MemberHealth {
  /** `leader`, `follower` or `observer` */
  readonly mode: string;
  /** `0x` and hexadecimal: the last transaction that it has applied */
  readonly zxid: string;
  /** the two halves of the zxid: the leader's term, and the transactions of it */
  readonly epoch: number;
  readonly counter: number;
  /** of requests since it started, in ms */
  readonly latency: { readonly min: number; readonly average: number; readonly max: number };
  readonly connections: number;
  /** requests that wait */
  readonly outstanding: number;
  /** the server's, as `3.9.5` */
  readonly version: string;
}

/**
 * `serves`; `seeks`: it answers, and looks for a leader or a majority; `silent`: somebody listens and does not answer in time;
 * `closed`: nobody listens.
 */
export type MemberAnswer =
  | { readonly kind: 'serves'; readonly health: MemberHealth }
  | { readonly kind: 'seeks' | 'silent' | 'closed' };

/** Where a member is asked: its port without TLS, or, with a certificate, that of its clients. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly tls?: SecureContextOptions;
}

/** Asks a member by ZooKeeper's four-letter word `srvr`. @param timeout ms */
export async function askMember(endpoint: Endpoint, timeout = 2000): Promise<MemberAnswer> {
  const answer = await fourLetters(endpoint, 'srvr', timeout);
  if (typeof answer !== 'string') return { kind: answer.failed };
  const health = parseSrvr(answer);
  if (health) return { kind: 'serves', health };
  // "This ZooKeeper instance is not currently serving requests", or an end without a word while it changes its role
  return { kind: 'seeks' };
}

/** Bytes of all names and values that a member holds, as it counts them itself (`mntr`); undefined while it does not serve. */
export async function askDataSize(endpoint: Endpoint, timeout = 2000): Promise<number | undefined> {
  const answer = await fourLetters(endpoint, 'mntr', timeout);
  const size = typeof answer === 'string' ? /^zk_approximate_data_size\t(\d+)/m.exec(answer)?.[1] : undefined;
  return size === undefined ? undefined : Number(size);
}

/** The answer to `srvr`, or undefined for one of a server that does not serve. */
export function parseSrvr(answer: string): MemberHealth | undefined {
  const value = (name: string): string | undefined => new RegExp(`^${name}: *(.+?)\\s*$`, 'm').exec(answer)?.[1];
  const mode = value('Mode');
  const zxid = value('Zxid');
  if (!mode || !zxid || !/^0x[0-9a-f]{1,16}$/i.test(zxid)) return undefined;
  const [min = 0, average = 0, max = 0] = (value('Latency min/avg/max') ?? '').split('/').map(Number);
  return {
    mode,
    zxid,
    ...splitZxid(BigInt(zxid)),
    latency: { min, average, max },
    connections: Number(value('Connections') ?? 0),
    outstanding: Number(value('Outstanding') ?? 0),
    version: /^\d+(\.\d+)*/.exec(value('Zookeeper version') ?? '')?.[0] ?? 'unknown',
  };
}

/** A zxid is 32 bits of the leader's term and 32 bits of a counter. */
export function splitZxid(zxid: bigint): { readonly epoch: number; readonly counter: number } {
  return { epoch: Number(zxid >> 32n), counter: Number(zxid & 0xffff_ffffn) };
}

/** A plain question on the client port, which the server answers and then closes. */
function fourLetters(
  { host, port, tls }: Endpoint,
  word: string,
  timeout: number,
): Promise<string | { readonly failed: 'silent' | 'closed' }> {
  return new Promise((resolve) => {
    let answer = '';
    const address = { host: host.replace(/^\[|\]$/g, ''), port };
    const socket = tls ? connectSecurely({ ...address, ...tls }) : connect(address);
    const finish = (value: string | { readonly failed: 'silent' | 'closed' }): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(value);
    };
    const timer = setTimeout(() => finish({ failed: 'silent' }), timeout);
    socket.on(tls ? 'secureConnect' : 'connect', () => socket.write(word));
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('end', () => finish(answer));
    socket.on('error', () => finish({ failed: 'closed' })); // nobody listens (yet), or it ended while we asked
  });
}
