// The least that a client of ZooKeeper can be: it asks for one node's data with a watch and answers each event by asking again. Errors end it.
import { connect } from 'node:net';
import type { OpenSession } from './watchers.ts';

const [GET_DATA, PING, CLOSE] = [4, 11, -11];
const [EVENT_XID, PING_XID] = [-1, -2];
/** ms: the servers' longest session time-out, and how often they are told that the session lives */
const [TIMEOUT, PING_EVERY] = [60_000, 20_000];

export const openRaw: OpenSession = (host, port, path, read) =>
  new Promise((opened, failed) => {
    const socket = connect({ host, port, noDelay: true }, () =>
      socket.write(frame(int(0), long(0), int(TIMEOUT), long(0), bytes(Buffer.alloc(16)))),
    );
    const ask = (): void => void socket.write(getData);
    const getData = frame(int(1), int(GET_DATA), bytes(Buffer.from(path)), Buffer.from([1]));
    let pings: NodeJS.Timeout;
    let rest: Buffer = Buffer.alloc(0);
    let take = (_connected: Buffer): void => {
      pings = setInterval(() => socket.write(frame(int(PING_XID), int(PING))), PING_EVERY);
      take = (reply) => {
        const xid = reply.readInt32BE(0);
        if (xid === EVENT_XID) ask();
        else if (xid !== PING_XID) {
          if (reply.readInt32BE(12) !== 0) throw new Error(`ZooKeeper answers with error ${reply.readInt32BE(12)}`);
          const size = reply.readInt32BE(16);
          read(reply.subarray(20, 20 + size));
          opened(close);
        }
      };
      ask();
    };
    const close = (): Promise<void> =>
      new Promise((ended) => {
        clearInterval(pings);
        take = () => undefined;
        socket.once('close', ended).end(frame(int(2), int(CLOSE)));
      });
    socket.on('error', failed);
    socket.on('data', (chunk) => {
      rest = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      for (; rest.byteLength >= at + 4; ) {
        const end = at + 4 + rest.readInt32BE(at);
        if (rest.byteLength < end) break;
        take(rest.subarray(at + 4, end));
        at = end;
      }
      rest = rest.subarray(at);
    });
  });

function int(value: number): Buffer {
  const four = Buffer.alloc(4);
  four.writeInt32BE(value);
  return four;
}

const long = (value: number): Buffer => Buffer.concat([int(0), int(value)]);
const bytes = (content: Buffer): Buffer => Buffer.concat([int(content.byteLength), content]);

function frame(...parts: Buffer[]): Buffer {
  return bytes(Buffer.concat(parts));
}
