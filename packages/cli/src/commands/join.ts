import { isAbsolute, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  certificateAddresses,
  clusterUrl,
  type Entitlement,
  type Joined,
  joinCluster,
  orders,
  parseToken,
  readClusterSecret,
  trustPaths,
  withPort,
} from '@quorate/agent';
import { type CertificateKind, DEFAULT_PORTS } from '@quorate/model';
import type { GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { SettingsFile } from '../settings-file.ts';
import { archiveOf, machineOf, nameOf, type WaysFlags, waysOf } from './found.ts';

export interface JoinFlags extends GlobalFlags, WaysFlags {
  readonly secret?: string;
  readonly at?: string;
}

/** Makes this machine part of a cluster: its certificate comes from the machine that made the token, or from any that knows the cluster's secret. */
export async function joinWith(
  word: string | undefined,
  flags: JoinFlags,
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  const { by, kind } = await entitlement(word, flags);
  const machine = kind === 'instance' ? instanceSettings(flags, env) : clientSettings(flags, env);
  await SettingsFile.prepare(machine.settings(UNKNOWN), flags, env); // before a use of the token is spent
  const { trust: _, ...joined } = await joinCluster(by, { ...machine.joiner, patience: PATIENCE_MS, waiting });
  const file = await SettingsFile.prepare(machine.settings(joined), { ...flags, yes: true }, env);
  await file.write();
  if (kind === 'instance') await orders.stay(machine.state);
  const { cluster } = joined;
  if (flags.json) console.log(JSON.stringify({ cluster, kind, settings: file.path }, null, 2));
  else console.log(`${file.path} is written; this machine belongs to the cluster ${cluster}\n→ next: ${next(kind)}`);
  return EXIT.done;
}

/** ms that a very busy cluster may take to let a machine in */
const PATIENCE_MS = 120_000;

function waiting(why: string, left: number): void {
  const seconds = Math.ceil(left / 1000);
  console.error(
    `${why}; asking again for ${seconds} s more (Ctrl-C ends it; the same use of a token serves the next try)`,
  );
}

function next(kind: CertificateKind): string {
  if (kind === 'instance') return 'quorate agent (best as a service)';
  if (kind === 'reader') return 'quorate fleet, quorate history NAME';
  return kind === 'operator' ? 'quorate fleet, quorate ensemble status' : 'quorate fleet, quorate publish';
}

type Known = Omit<Joined, 'trust'>;
/** To check the settings before anything is known of the cluster. */
const UNKNOWN: Known = {
  cluster: 'to-be-told',
  kind: 'instance',
  instances: ['to-be-told'],
  ports: DEFAULT_PORTS,
};

interface Machine {
  readonly state: string;
  readonly joiner: Parameters<typeof joinCluster>[1];
  settings(joined: Known): object;
}

function instanceSettings(flags: JoinFlags, env: NodeJS.ProcessEnv): Machine {
  const { instance, address, zone, state } = machineOf(flags, env);
  const archive = archiveOf(flags);
  const secret = flags.secret === undefined ? {} : { secret: absolute(flags.secret) };
  return {
    state,
    joiner: { instance, addresses: certificateAddresses([address]), folder: join(state, 'trust') },
    settings: ({ cluster, instances, ports }) => ({
      instance,
      address,
      ...(zone ? { zone } : {}),
      ensemble: {
        cluster,
        ...waysOf(flags, instances),
        ...(isDeepStrictEqual(ports, DEFAULT_PORTS) ? {} : { ports }),
        ...secret,
      },
      ...(archive ? { archive } : {}),
    }),
  };
}

/** A publisher or a reader runs no member: it comes to the ensemble from outside. */
function clientSettings(flags: JoinFlags, env: NodeJS.ProcessEnv): Machine {
  const { instance, state } = nameOf(flags, env);
  const folder = join(state, 'trust');
  const { ca, member } = trustPaths(folder);
  return {
    state,
    joiner: { instance, addresses: [], folder },
    settings: ({ instances, ports }) => ({
      instance,
      store: clusterUrl(instances, ports),
      tls: { ca, cert: member, key: member },
    }),
  };
}

async function entitlement(
  word: string | undefined,
  { secret, at }: JoinFlags,
): Promise<{ by: Entitlement; kind: CertificateKind }> {
  if ((word === undefined) === (secret === undefined))
    throw new CliError(EXIT.usage, 'either a token or --secret FILE is needed', 'quorate join - < token');
  if (secret === undefined) {
    const token = word === '-' ? await readToken() : word!;
    return { by: { token }, kind: parseToken(token).kind };
  }
  if (!at)
    throw new CliError(
      EXIT.usage,
      'with --secret it has to be said where the cluster is',
      'add --at 10.0.0.1,10.0.0.2: machines that belong to it',
    );
  return { by: { secret: readClusterSecret(absolute(secret)), addresses: peersOf(at) }, kind: 'instance' };
}

/** `HOST`, `HOST:PORT`, `[IPV6]:PORT`, with commas between, as `HOST:PORT` of peer endpoints. */
export function peersOf(text: string): string[] {
  const hasPort = /^(\[.*\]|[^:]+):\d+$/;
  return text.split(',').map((address) => (hasPort.test(address) ? address : withPort(address, DEFAULT_PORTS.peer)));
}

const absolute = (path: string): string => (isAbsolute(path) ? path : resolve(path));

/** From standard input: a command line can be read by every user of the machine. */
async function readToken(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  if (text.trim() !== '') return text.trim();
  throw new CliError(EXIT.usage, 'there is no token on standard input', 'quorate join - < token');
}
