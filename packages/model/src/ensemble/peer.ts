import * as v from 'valibot';
import { count, decodeRecord, encodeRecord } from '../codec.ts';
import { type CertificateKind, isCertificateKind } from './certificate.ts';
import { type MemberPorts, PortsSchema } from './records.ts';

/** Of what agents say to each other. */
export const PEER_FORMAT = 1;

/** One server of a configuration, as a stopped member's files name it. */
export interface PeerServer {
  /** server id, 1 to 254 */
  readonly id: number;
  readonly role: 'voter' | 'observer';
  /** host of its quorum port */
  readonly address: string;
}

/** Which version of the arbiter's record a member stays down for. */
export interface FoundingPromise {
  readonly generation: number;
  readonly revision: number;
}

/** What an instance tells another of itself and of its ZooKeeper member, also while that is stopped. */
export interface PeerState {
  readonly format: number;
  readonly instance: string;
  /** the cluster's UUID */
  readonly cluster: string;
  /** the founding that it belongs to; 0 before it belongs to any */
  readonly generation: number;
  /** UUID of its data directory */
  readonly incarnation: string;
  /** its member is stopped, and stays so until the arbiter's record is another than this: see `planRefounding` */
  readonly promised?: FoundingPromise;
  /** what its agent says of its member, for people: a word of the supervisor, and in words what to do */
  readonly said?: { readonly state: string; readonly detail?: string };
  /** absent without data */
  readonly member?: {
    /** server id; 0 where none was given to it yet */
    readonly id: number;
    /** whether its process runs */
    readonly running: boolean;
    /** whether it was part of a quorum when its agent looked last */
    readonly serving: boolean;
    /** ms since then, by the machine's own monotonic clock */
    readonly looked?: number;
    /** of the last leader that it accepted */
    readonly epoch: number;
    /** its last transaction: 16 hexadecimal digits, so that text compares as the numbers do */
    readonly zxid: string;
    /** version of the configuration below: hexadecimal digits */
    readonly configVersion: string;
    /** the last configuration that it knows to hold */
    readonly servers: readonly PeerServer[];
    /** a later one that was proposed, and of which it does not know whether it holds: a leader needs a majority of both */
    readonly proposed?: { readonly configVersion: string; readonly servers: readonly PeerServer[] };
  };
}

/** What a machine asks for that wants to become part of a cluster. */
export interface JoinRequest {
  readonly format: number;
  /** its name in the fleet, or the publisher's or reader's */
  readonly instance: string;
  /** addresses and names that others reach it by; they go into its certificate */
  readonly addresses: readonly string[];
  /** PKCS #10 in PEM: the key is made, and stays, where it is used */
  readonly csr: string;
  /** a join token's id and secret, in base64url */
  readonly token?: { readonly id: string; readonly secret: string };
  /** proof that it knows the cluster's secret: base64url; see `trust/secret.ts` of the agent */
  readonly proof?: string;
}

/** What somebody asks for whose certificate still holds: another one for the same. Who it is, its present certificate says. */
export interface RenewalRequest {
  readonly format: number;
  readonly csr: string;
}

/** What both get. */
export interface Grant {
  readonly format: number;
  readonly cluster: string;
  readonly kind: CertificateKind;
  /** its certificate, PEM */
  readonly certificate: string;
  /** the certificates of the cluster's authority, PEM; the newest first */
  readonly authority: string;
  /** the authority's private key, PEM: instances only */
  readonly authorityKey?: string;
  /** addresses of instances that the granter knows, itself included */
  readonly instances: readonly string[];
  /** where the cluster's machines listen */
  readonly ports: MemberPorts;
  /** proof that the granter knows the cluster's secret, where the request had one */
  readonly proof?: string;
}

/** What is answered instead: why not, for people. */
export interface Refusal {
  readonly format: number;
  readonly error: { readonly code: string; readonly message: string };
}

/** Bounds of what a stranger may send: text of a name, a PEM block, a list of addresses. */
const name = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/, "letters, digits, '.', '_', ':', '-'"));
const address = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.:-]{1,253}$/, 'an IP address or a host name'));
const pem = v.pipe(v.string(), v.nonEmpty(), v.maxLength(16_384));
const secret = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{8,128}$/, 'base64url'));
const hexadecimal = v.pipe(v.string(), v.regex(/^[0-9a-f]{1,16}$/, 'hexadecimal digits'));
const id = v.pipe(count, v.maxValue(254));

const servers = v.pipe(v.array(v.object({ id, role: v.picklist(['voter', 'observer']), address })), v.maxLength(254));

const StateSchema = v.object({
  format: v.number(),
  instance: name,
  cluster: v.pipe(v.string(), v.nonEmpty(), v.maxLength(128)),
  generation: count,
  incarnation: v.pipe(v.string(), v.nonEmpty(), v.maxLength(128)),
  promised: v.optional(v.object({ generation: count, revision: count })),
  said: v.optional(v.object({ state: v.string(), detail: v.optional(v.string()) })),
  member: v.optional(
    v.object({
      id,
      running: v.boolean(),
      serving: v.boolean(),
      looked: v.optional(v.pipe(v.number(), v.minValue(0))),
      epoch: count,
      zxid: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/, '16 hexadecimal digits')),
      configVersion: hexadecimal,
      servers,
      proposed: v.optional(v.object({ configVersion: hexadecimal, servers })),
    }),
  ),
});

const JoinSchema = v.object({
  format: v.number(),
  instance: name,
  addresses: v.pipe(v.array(address), v.maxLength(16)),
  csr: pem,
  token: v.optional(v.object({ id: secret, secret })),
  proof: v.optional(secret),
});

const RenewalSchema = v.object({ format: v.number(), csr: pem });

const GrantSchema = v.object({
  format: v.number(),
  cluster: v.pipe(v.string(), v.nonEmpty(), v.maxLength(128)),
  kind: v.custom<CertificateKind>((kind) => typeof kind === 'string' && isCertificateKind(kind)),
  certificate: pem,
  authority: pem,
  authorityKey: v.optional(pem),
  instances: v.pipe(v.array(address), v.maxLength(1000)),
  ports: PortsSchema,
  proof: v.optional(secret),
});

const RefusalSchema = v.object({
  format: v.number(),
  error: v.object({ code: v.string(), message: v.pipe(v.string(), v.maxLength(2000)) }),
});

/** Bytes of what an agent says to another. */
export const encodePeerRecord = (record: object): Buffer => encodeRecord({ format: PEER_FORMAT, ...record });

/** @throws ModelError BAD_RECORD, NEWER_FORMAT; likewise the others */
export const decodePeerState = (bytes: Uint8Array | string): PeerState =>
  decodeRecord("the peer's state", PEER_FORMAT, StateSchema, bytes);
export const decodeJoinRequest = (bytes: Uint8Array | string): JoinRequest =>
  decodeRecord('the request to join', PEER_FORMAT, JoinSchema, bytes);
export const decodeRenewalRequest = (bytes: Uint8Array | string): RenewalRequest =>
  decodeRecord('the request for a renewal', PEER_FORMAT, RenewalSchema, bytes);
export const decodeGrant = (bytes: Uint8Array | string): Grant =>
  decodeRecord('the grant', PEER_FORMAT, GrantSchema, bytes);
export const decodeRefusal = (bytes: Uint8Array | string): Refusal =>
  decodeRecord('the refusal', PEER_FORMAT, RefusalSchema, bytes);
