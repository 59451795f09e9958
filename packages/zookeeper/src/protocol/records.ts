import type { Acl } from '../acl.ts';
import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

/** What a server tells about a node. Zxids and session ids are 64-bit, hence `bigint`. */
export interface Stat {
  /** Transaction that created the node. */
  readonly czxid: bigint;
  /** Transaction that last changed its data. */
  readonly mzxid: bigint;
  /** Transaction that last added or removed a child. */
  readonly pzxid: bigint;
  /** Created, in ms since 1970 on the clock of the leader of that moment. */
  readonly ctime: number;
  /** Data last changed, in ms since 1970 on the clock of the leader of that moment. */
  readonly mtime: number;
  /** Changes of the data. */
  readonly version: number;
  /** Changes of the set of children. */
  readonly cversion: number;
  /** Changes of the ACL. */
  readonly aversion: number;
  /** Bytes. */
  readonly dataLength: number;
  readonly numChildren: number;
  /** Session that the node ends with; 0 for others (container and TTL nodes hold marks of their own here). */
  readonly ephemeralOwner: bigint;
}

export function readStat(reader: Reader): Stat {
  const czxid = reader.long();
  const mzxid = reader.long();
  const ctime = reader.longAsNumber();
  const mtime = reader.longAsNumber();
  const version = reader.int();
  const cversion = reader.int();
  const aversion = reader.int();
  const ephemeralOwner = reader.long();
  const dataLength = reader.int();
  const numChildren = reader.int();
  const pzxid = reader.long();
  return {
    czxid,
    mzxid,
    pzxid,
    ctime,
    mtime,
    version,
    cversion,
    aversion,
    dataLength,
    numChildren,
    ephemeralOwner,
  };
}

export function writeAcl(writer: Writer, acl: readonly Acl[]): void {
  writer.int(acl.length);
  for (const entry of acl) {
    writer.int(entry.permissions);
    writer.string(entry.scheme);
    writer.string(entry.id);
  }
}

export function readAcl(reader: Reader): Acl {
  return { permissions: reader.int(), scheme: reader.string(), id: reader.string() };
}

/** What a client asks for when a connection opens. */
export interface SessionRequest {
  /** Greatest zxid that this client has seen: a server that is behind it refuses. */
  readonly zxid: bigint;
  /** ms */
  readonly timeout: number;
  readonly id: bigint;
  readonly password: Uint8Array;
  readonly readOnly: boolean;
}

/** What the server grants. An `id` of 0 or a `timeout` of 0 means that the session asked for has expired. */
export interface SessionGrant {
  readonly id: bigint;
  readonly password: Buffer;
  /** ms */
  readonly timeout: number;
  readonly readOnly: boolean;
}

export function writeSessionRequest(writer: Writer, request: SessionRequest): void {
  writer.int(0);
  writer.long(request.zxid);
  writer.int(request.timeout);
  writer.long(request.id);
  writer.buffer(request.password);
  writer.boolean(request.readOnly);
}

export function readSessionGrant(reader: Reader): SessionGrant {
  reader.int();
  const timeout = reader.int();
  const id = reader.long();
  const password = reader.buffer();
  // Servers older than 3.4 do not send the last byte.
  const readOnly = reader.remaining > 0 && reader.boolean();
  return { id, password, timeout, readOnly };
}
