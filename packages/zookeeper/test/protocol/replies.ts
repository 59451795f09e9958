import { ask } from '../../src/ask.ts';
import { MULTI, MULTI_READ } from '../../src/multi.ts';
import type { AnyRequest } from '../../src/protocol/operation.ts';
import * as operations from '../../src/protocol/operations.ts';
import { Writer } from '../../src/protocol/writer.ts';
import type { Session } from '../../src/session.ts';

/** What a well-behaved server would answer, by operation: the material that the fuzz test mutates. */
type Body = (writer: Writer) => void;

function stat(writer: Writer): void {
  for (const value of [5n, 6n, 1_700_000_000_000n, 1_700_000_000_001n]) writer.long(value);
  for (const value of [1, 2, 3]) writer.int(value);
  writer.long(0n);
  for (const value of [11, 4]) writer.int(value);
  writer.long(7n);
}

function result(writer: Writer, type: number, body: Body): void {
  writer.int(type);
  writer.boolean(type === -2);
  writer.int(-1);
  body(writer);
}

const nothing: Body = () => {};
const data: Body = (writer) => {
  writer.buffer(Buffer.from('some data'));
  stat(writer);
};
const path = { path: '/a', watch: false };

/** Each operation with arguments and the body of a good reply. */
export const EXCHANGES: readonly (readonly [operation: unknown, args: unknown, reply: Body])[] = [
  [operations.GET, path, data],
  [operations.EXISTS, path, stat],
  [
    operations.CHILDREN,
    path,
    (writer) => {
      writer.strings(['a', 'b', 'cc']);
      stat(writer);
    },
  ],
  [
    operations.CREATE,
    { path: '/a', data: Buffer.alloc(3), acl: [], flags: 0, ttl: 0n },
    (writer) => {
      writer.string('/a');
      stat(writer);
    },
  ],
  [operations.SET, { path: '/a', data: Buffer.alloc(3), version: -1 }, stat],
  [operations.DELETE, { path: '/a', version: -1 }, nothing],
  [
    operations.GET_ACL,
    path,
    (writer) => {
      writer.int(1);
      writer.int(31);
      writer.string('world');
      writer.string('anyone');
      stat(writer);
    },
  ],
  [operations.SYNC, path, (writer) => writer.string('/a')],
  [
    operations.WHO_AM_I,
    undefined,
    (writer) => {
      writer.int(1);
      writer.string('ip');
      writer.string('127.0.0.1');
    },
  ],
  [operations.GET_EPHEMERALS, path, (writer) => writer.strings(['/root/a', '/b'])],
  [operations.ALL_CHILDREN_NUMBER, path, (writer) => writer.int(9)],
  [operations.RECONFIG, { joining: 'x', leaving: undefined, members: undefined, fromConfig: -1n }, data],
  [operations.ADD_WATCH, { path: '/a', mode: 1 }, (writer) => writer.int(0)],
  [
    MULTI,
    [
      { code: 2, path: '/a', version: 1 },
      { code: 13, path: '/a', version: 1 },
      { code: 5, path: '/a', data: Buffer.alloc(2), version: 1 },
    ],
    (writer) => {
      result(writer, 2, nothing);
      result(writer, 13, nothing);
      result(writer, 5, stat);
      result(writer, -2, nothing);
    },
  ],
  [
    MULTI_READ,
    [
      { code: 4, path: '/a' },
      { code: 8, path: '/a' },
      { code: 4, path: '/a' },
    ],
    (writer) => {
      result(writer, 4, data);
      result(writer, 8, (each) => each.strings(['x', 'y']));
      result(writer, -1, (each) => each.int(-101));
      result(writer, -2, nothing);
    },
  ],
];

/** A whole frame. */
export function frameOf(body: Body): Buffer {
  const writer = new Writer();
  writer.begin();
  body(writer);
  writer.end();
  return Buffer.from(writer.take());
}

export function replyFrame(xid: number, zxid: bigint, error: number, body: Body): Buffer {
  return frameOf((writer) => {
    writer.int(xid);
    writer.long(zxid);
    writer.int(error);
    if (error === 0) body(writer);
  });
}

export function grantFrame(id = 7n, timeout = 10_000): Buffer {
  return frameOf((writer) => {
    writer.int(0);
    writer.int(timeout);
    writer.long(id);
    writer.buffer(Buffer.alloc(16, 1));
    writer.boolean(false);
  });
}

export function eventFrame(type: number, at: string): Buffer {
  return replyFrame(-1, -1n, 0, (writer) => {
    writer.int(type);
    writer.int(3);
    writer.string(at);
  });
}

/** Sends through anything that has `submit`, as the client does. */
export function exchange(
  submit: (request: AnyRequest) => void,
  index: number,
): { settled: Promise<unknown>; reply: Body } {
  const [operation, args, reply] = EXCHANGES[index % EXCHANGES.length]!;
  const session = { submit } as unknown as Session;
  const settled = ask(
    session,
    operation as typeof operations.GET,
    '/a',
    () => args as { path: string; watch: boolean },
  );
  return { settled, reply };
}
