import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { type Grant, type JoinRequest, PEER_FORMAT } from '@quorate/model';
import { AgentError } from '../errors.ts';
import {
  type Application,
  type AskOptions,
  askToJoin,
  askToRenew,
  isSilence,
  verifyFingerprint,
} from '../peer/client.ts';
import type { PeerHandlers } from '../peer/server.ts';
import { ArrivingKey } from './arriving-key.ts';
import { type CertificateOrder, fingerprintOf, keyOfRequest, makeKey, makeRequest } from './authority.ts';
import { certificatesOf, TrustFolder } from './folder.ts';
import { isSame, proofOf } from './secret.ts';
import { type JoinToken, parseToken, type TokenBook } from './tokens.ts';

/** What entitles a machine to join: a token, or the cluster's secret and where instances are. */
export type Entitlement =
  | { readonly token: string }
  /** `HOST:PORT` of peer endpoints */
  | { readonly secret: string; readonly addresses: readonly string[] };

export interface Joiner extends AskOptions {
  /** its name in the fleet, or the publisher's or reader's */
  readonly instance: string;
  /** how others reach it */
  readonly addresses: readonly string[];
  /** the trust folder to make */
  readonly folder: string;
  /** the cluster that it must be, where that is known */
  readonly cluster?: string;
  /** ms for which instances that are silent are asked again; none unless said */
  readonly patience?: number;
  /** told before they are asked again: why, and for how many ms more */
  readonly waiting?: (why: string, left: number) => void;
}

/** ms for one exchange: less than an instance gives it */
const EXCHANGE_MS = 14_000;
/** ms between rounds in which nobody answered, each made longer or shorter by half at random */
const AGAIN_MS = 1_000;

/** What a machine knows after it has joined, beside what is in its trust folder. */
export type Joined = Omit<Grant, 'certificate' | 'authority' | 'authorityKey' | 'proof' | 'format'> & {
  readonly trust: TrustFolder;
};

/**
 * Makes a key here, has it signed by an instance of the cluster, and writes the trust folder: whole, or not at all.
 * The addresses are tried in turn. A use of a token is spent when an instance signs; who asks again, because the answer was lost, has the same use.
 * @throws AgentError TOKEN_REFUSED, NOT_TRUSTED (not that cluster, or a member of one already), UNREACHABLE when no address answers
 */
export async function joinCluster(by: Entitlement, joiner: Joiner): Promise<Joined> {
  const way = wayIn(by);
  TrustFolder.mustBeNew(joiner.folder);
  const key = new ArrivingKey(joiner.folder);
  const { instance, addresses } = joiner;
  const request = { format: PEER_FORMAT, instance, addresses, csr: await makeRequest(key.pem) };
  const ends = performance.now() + (joiner.patience ?? 0);
  for (;;) {
    const failures = await askInTurn(way, joiner, request, key);
    if (!Array.isArray(failures)) return settle(failures, joiner, key);
    const left = ends - performance.now();
    if (left > 0 && failures.length > 0 && failures.every(isSilence)) {
      joiner.waiting?.(failures.map(({ message }) => message).join('; '), left);
      await delay(AGAIN_MS * (0.5 + Math.random()), undefined, joiner.signal ? { signal: joiner.signal } : {});
      continue;
    }
    // after a refusal, or none at all, nothing comes any more; a lost answer may have been a yes
    if (!failures.some(({ code }) => code === 'UNREACHABLE')) key.forget();
    throw summary('no instance let this machine join', failures);
  }
}

/** What the first instance that lets it in grants, or why none did. */
async function askInTurn(
  way: Way,
  joiner: Joiner,
  request: Omit<JoinRequest, 'token' | 'proof'>,
  key: ArrivingKey,
): Promise<Grant | AgentError[]> {
  const failures: AgentError[] = [];
  for (const address of way.addresses) {
    const apply = (socket: TLSSocket): Application => {
      const { entitlement, accept } = way.apply(socket, address);
      key.keep();
      const checked = (grant: Grant): void => {
        accept(grant);
        checkCluster(grant, joiner, address);
      };
      return { request: { ...request, ...entitlement }, accept: checked };
    };
    try {
      return await askToJoin(address, apply, { timeout: EXCHANGE_MS, ...joiner });
    } catch (error) {
      // the next address may be an instance that lives, or the one that issued the token
      if (!(error instanceof AgentError) || !ANOTHER.has(error.code)) throw error;
      failures.push(error);
    }
  }
  return failures;
}

function settle(grant: Grant, { folder }: Joiner, { pem: key }: ArrivingKey): Joined {
  const { certificate, authority, authorityKey, proof: _, format: __, ...rest } = grant;
  const credentials = { certificate, authority, key, ...(authorityKey === undefined ? {} : { authorityKey }) };
  return { ...rest, trust: TrustFolder.create(folder, credentials) };
}

function checkCluster({ cluster }: Grant, joiner: Joiner, address: string): void {
  if (joiner.cluster === undefined || joiner.cluster === cluster) return;
  throw new AgentError(
    'NOT_TRUSTED',
    `${address} is of the cluster ${cluster}, the settings name ${joiner.cluster} (ensemble.cluster): correct them, or where the cluster is looked for`,
  );
}

const ANOTHER: ReadonlySet<string> = new Set(['UNREACHABLE', 'TOKEN_REFUSED', 'NOT_TRUSTED']);

/** The failure that says most comes first. */
function summary(what: string, failures: readonly AgentError[]): AgentError {
  const codes = ['TOKEN_REFUSED', 'NOT_TRUSTED', 'UNREACHABLE'] as const;
  const code = codes.find((each) => failures.some((failure) => failure.code === each)) ?? 'UNREACHABLE';
  const told = failures.toSorted((a, b) => Number(b.code === code) - Number(a.code === code));
  const message = told.map((failure) => failure.message).join('; ');
  const hint =
    code === 'UNREACHABLE' ? ': check the network, the port (ensemble.ports.peer) and that the agent runs there' : '';
  return new AgentError(code, `${what}: ${message || 'there are no addresses to try'}${hint}`, {
    cause: failures[0],
  });
}

/**
 * Replaces a certificate that still holds by one that an instance signs: how a publisher or a reader renews.
 * @param addresses `HOST:PORT` of peer endpoints, tried in turn
 * @throws AgentError NOT_TRUSTED (it is over: join again), UNREACHABLE
 */
export async function renewByPeer(
  trust: TrustFolder,
  addresses: readonly string[],
  options: AskOptions = {},
): Promise<void> {
  const key = makeKey();
  const csr = await makeRequest(key);
  const failures: AgentError[] = [];
  for (const address of addresses) {
    try {
      const { certificate, authority, authorityKey } = await askToRenew(address, trust, csr, options);
      trust.replace({ certificate, authority, key, ...(authorityKey === undefined ? {} : { authorityKey }) });
      return;
    } catch (error) {
      if (!(error instanceof AgentError) || !ANOTHER.has(error.code)) throw error;
      failures.push(error);
    }
  }
  throw summary('no instance gave this machine another certificate', failures);
}

interface Way {
  readonly addresses: readonly string[];
  /** before anything is sent; `accept` before anything is believed. @throws AgentError NOT_TRUSTED */
  apply(
    socket: TLSSocket,
    address: string,
  ): { entitlement: Pick<JoinRequest, 'token' | 'proof'>; accept: Application['accept'] };
}

function wayIn(by: Entitlement): Way {
  return 'secret' in by ? bySecret(by.secret, by.addresses) : byToken(parseToken(by.token));
}

/** The secret is not sent, so anybody may be at the other end; the answer tells whether it knows the secret. */
function bySecret(secret: string, addresses: readonly string[]): Way {
  return {
    addresses,
    apply: (socket, address) => {
      const wanted = proofOf(secret, 'granter', socket);
      return {
        entitlement: { proof: proofOf(secret, 'joiner', socket) },
        accept: ({ proof }) => {
          if (proof === undefined || !isSame(proof, wanted))
            throw new AgentError(
              'NOT_TRUSTED',
              `${address} does not know the cluster's secret: it is not of this cluster`,
            );
        },
      };
    },
  };
}

function byToken({ addresses, fingerprint, id, secret, kind }: JoinToken): Way {
  return {
    addresses,
    apply: (socket, address) => {
      verifyFingerprint(socket, address, fingerprint);
      return {
        entitlement: { token: { id, secret } },
        accept: (grant) => {
          const known = certificatesOf(grant.authority).some((pem) => fingerprintOf(pem) === fingerprint);
          if (!known || grant.kind !== kind)
            throw new AgentError(
              'NOT_TRUSTED',
              `${address} granted something else than the token is for: ask for a new token`,
            );
        },
      };
    },
  };
}

export interface GranterOptions {
  readonly trust: TrustFolder;
  readonly tokens: TokenBook;
  /** the cluster's secret, where one is set */
  readonly secret?: () => Promise<string>;
  /** addresses of the instances that this one knows, itself included */
  readonly instances: () => Promise<readonly string[]>;
  readonly ports: Grant['ports'];
  /** told of who was let in, by what: never a secret */
  readonly granted: (what: { kind: string; instance: string; addresses: readonly string[]; by: string }) => void;
}

/** How an instance lets others in, and gives those who are in another certificate: handlers of its peer endpoint. */
export function makeGranter(options: GranterOptions): Pick<PeerHandlers, 'join' | 'renew'> {
  return {
    join: async (request, socket) => {
      const { instance: name, addresses, csr } = request;
      // the same key for the same name: one machine, however often it has to ask
      const machine = request.token ? `${await keyOfRequest(csr)} ${name} ${addresses.join()}` : '';
      const { kind, by, proof } = await entitled(request, machine, socket, options);
      if (kind === 'instance' && addresses.length === 0)
        throw new AgentError('BAD_REQUEST', 'an instance needs an address that others reach it by: set `address`');
      const grant = await sign({ kind, name, addresses, request: { csr } }, options);
      options.granted({ kind, instance: name, addresses, by });
      return { ...grant, ...(proof === undefined ? {} : { proof }) };
    },
    // the same again: of who asks only its certificate counts
    renew: ({ csr }, { kind, name, addresses }) => sign({ kind, name, addresses, request: { csr } }, options),
  };
}

async function sign(order: CertificateOrder, { trust, ports, instances }: GranterOptions): Promise<Grant> {
  const authority = trust.authority();
  return {
    format: PEER_FORMAT,
    cluster: authority.cluster,
    kind: order.kind,
    certificate: await authority.issue(order),
    authority: trust.credentials().authority,
    ...(order.kind === 'instance' ? { authorityKey: authority.key } : {}),
    instances: await instances(),
    ports,
  };
}

async function entitled(
  { token, proof }: JoinRequest,
  machine: string,
  socket: TLSSocket,
  { tokens, secret }: GranterOptions,
): Promise<{ kind: Grant['kind']; by: string; proof?: string }> {
  if (token) {
    const { kind, again } = tokens.redeem(token.id, token.secret, machine);
    return { kind, by: `token ${token.id}${again ? ', by the use that it has spent before' : ''}` };
  }
  const shared = proof === undefined ? undefined : await secret?.();
  if (proof !== undefined && shared !== undefined && isSame(proof, proofOf(shared, 'joiner', socket)))
    return { kind: 'instance', by: "the cluster's secret", proof: proofOf(shared, 'granter', socket) };
  throw new AgentError(
    'TOKEN_REFUSED',
    proof === undefined
      ? "a join token or the cluster's secret is needed"
      : "the cluster's secret (ensemble.secret) is another one, or none is set here",
  );
}
