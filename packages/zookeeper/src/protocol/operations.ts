import type { Acl } from '../acl.ts';
import { isBelow, withoutChroot } from '../paths.ts';
import type { Operation } from './operation.ts';
import { type Reader, readString } from './reader.ts';
import { readAcl, readStat, type Stat, writeAcl } from './records.ts';
import type { Writer } from './writer.ts';

export interface Created {
  /** With the number that the server appended, for sequential nodes. */
  readonly path: string;
  readonly stat: Stat;
}

export interface CreateArguments {
  readonly path: string;
  readonly data: Uint8Array;
  readonly acl: readonly Acl[];
  readonly flags: number;
  readonly ttl: bigint;
}

export interface ReadArguments {
  readonly path: string;
  readonly watch: boolean;
}

export interface PathArguments {
  readonly path: string;
}

export interface VersionArguments {
  readonly path: string;
  readonly version: number;
}

export interface SetArguments extends VersionArguments {
  readonly data: Uint8Array;
}

export interface SetAclArguments extends VersionArguments {
  readonly acl: readonly Acl[];
}

export interface ReconfigArguments {
  readonly joining: string | undefined;
  readonly leaving: string | undefined;
  readonly members: string | undefined;
  readonly fromConfig: bigint;
}

export interface NodeData {
  readonly data: Buffer;
  readonly stat: Stat;
}

export interface NodeChildren {
  readonly children: string[];
  readonly stat: Stat;
}

export interface AuthInfo {
  readonly scheme: string;
  readonly user: string;
}

export function writeCreate(writer: Writer, request: CreateArguments): void {
  writer.string(request.path);
  writer.buffer(request.data);
  writeAcl(writer, request.acl);
  writer.int(request.flags);
}

function readCreated(reader: Reader, chroot: string): Created {
  return { path: withoutChroot(chroot, reader.string()), stat: readStat(reader) };
}

function writeRead(writer: Writer, request: ReadArguments): void {
  writer.string(request.path);
  writer.boolean(request.watch);
}

function writePath(writer: Writer, request: PathArguments): void {
  writer.string(request.path);
}

export function writeVersioned(writer: Writer, request: VersionArguments): void {
  writer.string(request.path);
  writer.int(request.version);
}

export function writeSet(writer: Writer, request: SetArguments): void {
  writer.string(request.path);
  writer.buffer(request.data);
  writer.int(request.version);
}

export function readNodeData(reader: Reader): NodeData {
  return { data: reader.buffer(), stat: readStat(reader) };
}

function nothing(): void {}

export const CREATE: Operation<CreateArguments, Created> = {
  name: 'create',
  code: 15,
  write: true,
  encode: writeCreate,
  decode: readCreated,
};

export const CREATE_CONTAINER: Operation<CreateArguments, Created> = { ...CREATE, code: 19 };

export const CREATE_TTL: Operation<CreateArguments, Created> = {
  ...CREATE,
  code: 21,
  encode(writer, request) {
    writeCreate(writer, request);
    writer.long(request.ttl);
  },
};

export const GET: Operation<ReadArguments, NodeData> = {
  name: 'get',
  code: 4,
  write: false,
  encode: writeRead,
  decode: readNodeData,
};

export const SET: Operation<SetArguments, Stat> = {
  name: 'set',
  code: 5,
  write: true,
  encode: writeSet,
  decode: readStat,
};

export const EXISTS: Operation<ReadArguments, Stat | undefined> = {
  name: 'exists',
  code: 3,
  write: false,
  encode: writeRead,
  decode: readStat,
  absent: undefined,
};

export const DELETE: Operation<VersionArguments, void> = {
  name: 'delete',
  code: 2,
  write: true,
  encode: writeVersioned,
  decode: nothing,
};

export const CHILDREN: Operation<ReadArguments, NodeChildren> = {
  name: 'children',
  code: 12,
  write: false,
  encode: writeRead,
  decode: (reader) => ({ children: reader.vector(readString), stat: readStat(reader) }),
};

export const GET_ACL: Operation<PathArguments, { acl: Acl[]; stat: Stat }> = {
  name: 'getAcl',
  code: 6,
  write: false,
  encode: writePath,
  decode: (reader) => ({ acl: reader.vector(readAcl), stat: readStat(reader) }),
};

export const SET_ACL: Operation<SetAclArguments, Stat> = {
  name: 'setAcl',
  code: 7,
  write: true,
  encode(writer, request) {
    writer.string(request.path);
    writeAcl(writer, request.acl);
    writer.int(request.version);
  },
  decode: readStat,
};

export const SYNC: Operation<PathArguments, void> = {
  name: 'sync',
  code: 9,
  write: false,
  encode: writePath,
  decode: nothing,
};

export const WHO_AM_I: Operation<void, AuthInfo[]> = {
  name: 'whoami',
  code: 107,
  write: false,
  encode: nothing,
  decode: (reader) => reader.vector((each) => ({ scheme: each.string(), user: each.string() })),
};

export const GET_EPHEMERALS: Operation<PathArguments, string[]> = {
  name: 'getEphemerals',
  code: 103,
  write: false,
  encode: writePath,
  // A server compares the mere text: nodes beside the chroot whose names begin like it are not ours to tell.
  decode: (reader, chroot) =>
    reader
      .vector(readString)
      .filter((path) => isBelow(chroot, path))
      .map((path) => withoutChroot(chroot, path)),
};

export const ALL_CHILDREN_NUMBER: Operation<PathArguments, number> = {
  name: 'allChildrenNumber',
  code: 104,
  write: false,
  encode: writePath,
  decode: (reader) => reader.int(),
};

export const RECONFIG: Operation<ReconfigArguments, NodeData> = {
  name: 'reconfig',
  code: 16,
  write: true,
  encode(writer, request) {
    for (const list of [request.joining, request.leaving, request.members]) {
      if (list === undefined) writer.null();
      else writer.string(list);
    }
    writer.long(request.fromConfig);
  },
  decode: readNodeData,
};

export const ADD_WATCH: Operation<{ path: string; mode: number }, void> = {
  name: 'watch',
  code: 106,
  write: false,
  encode(writer, request) {
    writer.string(request.path);
    writer.int(request.mode);
  },
  decode: nothing,
};

export const REMOVE_WATCHES: Operation<{ path: string; kind: number }, void> = {
  name: 'removeWatches',
  code: 18,
  write: false,
  encode(writer, request) {
    writer.string(request.path);
    writer.int(request.kind);
  },
  decode: nothing,
};

export const CLOSE: Operation<void, void> = {
  name: 'close',
  code: -11,
  write: false,
  encode: nothing,
  decode: nothing,
};
