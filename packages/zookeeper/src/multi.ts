import type { Acl } from './acl.ts';
import { codeOf, protocolError, serverError, type ZooKeeperError, type ZooKeeperErrorCode } from './errors.ts';
import { withoutChroot } from './paths.ts';
import type { Operation } from './protocol/operation.ts';
import {
  type CreateArguments,
  type NodeData,
  readNodeData,
  writeCreate,
  writeSet,
  writeVersioned,
} from './protocol/operations.ts';
import { type Reader, readString } from './protocol/reader.ts';
import { readStat, type Stat } from './protocol/records.ts';
import type { Writer } from './protocol/writer.ts';

export type CreateMode =
  | 'persistent'
  | 'persistent_sequential'
  | 'ephemeral'
  | 'ephemeral_sequential'
  | 'container'
  | 'persistent_with_ttl'
  | 'persistent_sequential_with_ttl';

export interface CreateOptions {
  /** `persistent` unless told otherwise. */
  readonly mode?: CreateMode;
  /** For the modes with a TTL: ms after the last change at which a node without children is deleted. */
  readonly ttl?: number;
  /** `OPEN` unless told otherwise. */
  readonly acl?: readonly Acl[];
}

export type Data = Buffer | Uint8Array | string;

export type WriteOp =
  | { readonly type: 'create'; readonly path: string; readonly data: Data | undefined; readonly options: CreateOptions }
  | { readonly type: 'set'; readonly path: string; readonly data: Data; readonly version: number }
  | { readonly type: 'delete'; readonly path: string; readonly version: number }
  | { readonly type: 'check'; readonly path: string; readonly version: number };

export type ReadOp = { readonly type: 'get' | 'children'; readonly path: string };

/** What happened to one operation of a `multi`. Servers tell no stat for plain nodes that they created. */
export type OpResult =
  | { readonly type: 'create'; readonly path: string; readonly stat: Stat | undefined }
  | { readonly type: 'set'; readonly stat: Stat }
  | { readonly type: 'delete' }
  | { readonly type: 'check' }
  /** `code` is `OK` for an operation that would have succeeded without the failed one. */
  | { readonly type: 'error'; readonly code: ZooKeeperErrorCode | 'OK' };

export type ReadResult = NodeData | { readonly children: string[] } | ZooKeeperError;

/** Makes the operations of `multi` and `multiRead`. */
export const op = {
  create: (path: string, data?: Data, options: CreateOptions = {}): WriteOp => ({
    type: 'create',
    path,
    data,
    options,
  }),
  /** A `version` of -1 means any. */
  set: (path: string, data: Data, version = -1): WriteOp => ({ type: 'set', path, data, version }),
  delete: (path: string, version = -1): WriteOp => ({ type: 'delete', path, version }),
  /** Holds the whole transaction to this version of the node. */
  check: (path: string, version = -1): WriteOp => ({ type: 'check', path, version }),
  get: (path: string) => ({ type: 'get', path }) as const,
  children: (path: string) => ({ type: 'children', path }) as const,
};

/** One operation as it goes over the wire. */
export type EncodedOp =
  | { readonly code: 1 | 19 | 21; readonly create: CreateArguments }
  | { readonly code: 5; readonly path: string; readonly data: Uint8Array; readonly version: number }
  | { readonly code: 2 | 13; readonly path: string; readonly version: number }
  | { readonly code: 4 | 8; readonly path: string };

function writeHeader(writer: Writer, type: number, done: boolean): void {
  writer.int(type);
  writer.boolean(done);
  writer.int(-1);
}

function writeOps(writer: Writer, ops: readonly EncodedOp[]): void {
  for (const each of ops) {
    writeHeader(writer, each.code, false);
    if ('create' in each) {
      writeCreate(writer, each.create);
      if (each.code === 21) writer.long(each.create.ttl);
    } else if (each.code === 5) writeSet(writer, each);
    else if (each.code === 2 || each.code === 13) writeVersioned(writer, each);
    else {
      writer.string(each.path);
      writer.boolean(false);
    }
  }
  writeHeader(writer, -1, true);
}

/** Reads results until the closing header; there must be one for each operation. */
function readResults<T>(reader: Reader, ops: number, read: (type: number) => T): T[] {
  const results: T[] = [];
  for (;;) {
    const type = reader.int();
    const done = reader.boolean();
    reader.int();
    if (done) break;
    if (results.length === ops) throw protocolError(`more than ${ops} results for as many operations`);
    results.push(read(type));
  }
  if (results.length !== ops) throw protocolError(`${results.length} results for ${ops} operations`);
  return results;
}

function readWriteResult(reader: Reader, chroot: string, type: number): OpResult {
  switch (type) {
    case 1:
      return { type: 'create', path: withoutChroot(chroot, reader.string()), stat: undefined };
    case 15:
      return { type: 'create', path: withoutChroot(chroot, reader.string()), stat: readStat(reader) };
    case 5:
      return { type: 'set', stat: readStat(reader) };
    case 2:
      return { type: 'delete' };
    case 13:
      return { type: 'check' };
    case -1: {
      const error = reader.int();
      return { type: 'error', code: error === 0 ? 'OK' : codeOf(error) };
    }
    default:
      throw protocolError(`a multi result of unknown type ${type}`);
  }
}

export const MULTI: Operation<readonly EncodedOp[], OpResult[]> = {
  name: 'multi',
  code: 14,
  write: true,
  encode: writeOps,
  decode: (reader, chroot, ops) => readResults(reader, ops.length, (type) => readWriteResult(reader, chroot, type)),
};

/** A transaction of checks alone changes nothing. */
export const MULTI_CHECK: Operation<readonly EncodedOp[], OpResult[]> = { ...MULTI, write: false };

export const MULTI_READ: Operation<readonly { code: 4 | 8; path: string }[], ReadResult[]> = {
  name: 'multiRead',
  code: 22,
  write: false,
  encode: writeOps,
  decode(reader, chroot, ops) {
    let index = 0;
    return readResults(reader, ops.length, (type): ReadResult => {
      const path = withoutChroot(chroot, ops[index++]!.path);
      if (type === 4) return readNodeData(reader);
      if (type === 8) return { children: reader.vector(readString) };
      if (type === -1) return serverError(reader.int(), 'multiRead', path);
      throw protocolError(`a multiRead result of unknown type ${type}`);
    });
  },
};
