import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { ZooKeeper } from '@quorate/zookeeper';
import { frameOf, grantFrame, replyFrame } from './protocol/replies.ts';
import { until, within } from './until.ts';

/** A server of the test's own that says what no ZooKeeper would say. */
describe('a server that breaks the protocol', () => {
  let server: Server;
  /** What each connection gets after the client's first frame, and after each later one. */
  let script: (socket: Socket, frame: number) => void;
  let connections = 0;

  before(async () => {
    server = createServer((socket) => {
      connections++;
      let frames = 0;
      socket.on('error', () => {});
      socket.on('data', () => script(socket, frames++));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => new Promise((resolve) => server.close(resolve)));

  const address = () => `127.0.0.1:${(server.address() as { port: number }).port}`;

  const lies: [string, Buffer][] = [
    ['a frame longer than the limit', Buffer.from('7fffffff00', 'hex')],
    ['a negative length', Buffer.from('ffffffff00', 'hex')],
    ['a reply nobody asked for', replyFrame(77, 1n, 0, () => {})],
    ['a reply to a request that is not due yet', replyFrame(2, 1n, 0, () => {})],
    ['a truncated record', replyFrame(1, 1n, 0, (writer) => writer.int(100))],
    ['a truncated header', frameOf((writer) => writer.int(1))],
    ['a reply with an unknown negative xid', replyFrame(-77, 1n, 0, () => {})],
    ['an event of an unknown type', replyFrame(-1, 1n, 0, (writer) => writer.long(0x6300000003n))],
    ['an answer to an authentication that was never sent', replyFrame(-4, 1n, 0, () => {})],
  ];

  for (const [what, lie] of lies) {
    test(`${what} ends the connection with PROTOCOL; the request it hit is told, and the client goes on`, async () => {
      let lied = false;
      script = (socket, frame) => {
        if (frame === 0) socket.write(grantFrame());
        else if (!lied) {
          lied = true;
          socket.write(lie);
        } else socket.write(replyFrame(1, 1n, -101, () => {}));
      };
      const zk = await ZooKeeper.connect(address());
      const before = connections;
      await assert.rejects(within('the answer', zk.get('/a')), { code: 'PROTOCOL' });
      await until('it has connected again', () => connections === before + 1 && zk.state === 'connected');
      assert.equal(zk.lastError?.code, 'PROTOCOL');
      assert.equal(await within('the next answer', zk.exists('/a')), undefined);
      script = (socket) => socket.destroy();
      await zk.close();
    });
  }

  test('a server that never grants a session, or grants nonsense, lets connect fail in time', async () => {
    const nonsense = [
      Buffer.alloc(0),
      Buffer.from('000000020000', 'hex'),
      frameOf((writer) => writer.int(0)),
      lies[0]![1],
    ];
    for (const bytes of nonsense) {
      script = (socket) => socket.write(bytes);
      const begin = performance.now();
      await assert.rejects(ZooKeeper.connect(address(), { connectTimeout: 100 }), { code: 'CONNECT_TIMEOUT' });
      assert.ok(performance.now() - begin < 2_000);
    }
  });

  test('a flood of events that nobody asked for does not fill the memory', async () => {
    const event = replyFrame(-1, -1n, 0, (writer) => {
      writer.int(3);
      writer.int(3);
      writer.string('/flooded');
    });
    const flood = Buffer.concat(Array.from({ length: 2_000 }, () => event));
    let sent = 0;
    script = (socket, frame) => {
      if (frame === 0) socket.write(grantFrame());
      if (frame !== 1) return;
      const pour = () => {
        if (sent++ < 200) socket.write(flood, pour);
        else socket.write(replyFrame(1, 1n, -101, () => {}));
      };
      pour();
    };
    const zk = await ZooKeeper.connect(address());
    const before = process.memoryUsage().rss;
    assert.equal(await within('the answer', zk.exists('/a')), undefined);
    assert.ok(process.memoryUsage().rss - before < 100 * 1024 * 1024);
    script = (socket) => socket.destroy();
    await zk.close();
  });
});
